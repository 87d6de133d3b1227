//! The few system calls that have no safe wrapper, each made safe here.
#![expect(unsafe_code, reason = "system calls without a safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::process::{WaitId, WaitIdOptions, waitid};

use super::{Exit, Owner};

/// How a process ended, or `None` while it runs. A child is reaped by this.
pub fn poll_exit(pidfd: BorrowedFd<'_>) -> io::Result<Option<Exit>> {
    ask_exit(pidfd, WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
}

/// As [`poll_exit`], but a child stays to be reaped: that takes the kernel a while, and may be done
/// when nobody waits.
pub fn peek_exit(pidfd: BorrowedFd<'_>) -> io::Result<Option<Exit>> {
    ask_exit(pidfd, WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT)
}

fn ask_exit(pidfd: BorrowedFd<'_>, options: WaitIdOptions) -> io::Result<Option<Exit>> {
    match waitid(WaitId::PidFd(pidfd), options) {
        Ok(None) => Ok(None),
        Ok(Some(status)) => Ok(Some(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Exit::Code(code),
            (None, Some(signal)) => Exit::Signal(signal),
            (None, None) => Exit::Unknown,
        })),
        Err(rustix::io::Errno::CHILD) if has_ended(pidfd)? => Ok(Some(exit_of_stranger(pidfd))),
        Err(rustix::io::Errno::CHILD) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// The process behind a number, or `None` if there is none.
pub fn open_process(pid: i32) -> io::Result<Option<OwnedFd>> {
    let Some(pid) = rustix::process::Pid::from_raw(pid) else { return Ok(None) };
    match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
        Ok(pidfd) => Ok(Some(pidfd)),
        Err(rustix::io::Errno::SRCH | rustix::io::Errno::INVAL) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Sends a signal by number to a process (negative: to a process group). One that is gone is no error.
pub fn send_signal(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: kill takes two integers and touches no memory.
    let result = unsafe { libc::kill(pid, signal) };
    let error = io::Error::last_os_error();
    if result == 0 || error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) }
}

/// Keeps all memory of this process, now and later, from being swapped or dropped. Not inherited by
/// what it starts. Refused where only so much may be locked: to run into that limit later is worse.
pub fn lock_memory() -> io::Result<()> {
    use rustix::process::{Resource, getrlimit};
    const CAP_IPC_LOCK: u32 = 14;
    let status = std::fs::read_to_string("/proc/self/status")?;
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|word| u64::from_str_radix(word.trim(), 16).ok()).unwrap_or(0);
    if effective & (1 << CAP_IPC_LOCK) == 0 && getrlimit(Resource::Memlock).maximum.is_some() {
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    // SAFETY: takes flags and touches no memory of ours.
    let result = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets this thread run before all ordinary ones. Not inherited by what it starts.
pub fn schedule_realtime(priority: i32) -> io::Result<()> {
    // Not the function of libc, which musl has never done.
    let parameters: [libc::c_int; 1] = [priority];
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: zero is this thread; the kernel reads one integer, which `struct sched_param` is.
    let result = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, parameters.as_ptr()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Who is at the other end of a unix socket, as the kernel noted when it connected, and its pid.
pub fn peer_owner(socket: BorrowedFd<'_>) -> io::Result<(Owner, i32)> {
    let peer = rustix::net::sockopt::socket_peercred(socket)?;
    // Nearly everybody is in few groups; the kernel says if there are more.
    let groups = peer_groups(socket, GROUPS_MOST).or_else(|_| peer_groups(socket, GROUPS_MAX))?;
    Ok((Owner { uid: peer.uid.as_raw(), gid: peer.gid.as_raw(), groups }, peer.pid.as_raw_nonzero().get()))
}

fn peer_groups(socket: BorrowedFd<'_>, room: usize) -> io::Result<Vec<u32>> {
    let mut groups = vec![0_u32; room];
    let mut bytes = libc::socklen_t::try_from(room * size_of::<u32>()).unwrap_or(0);
    // SAFETY: the buffer is valid for `bytes` bytes, and the kernel writes at most that many.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PEERGROUPS,
            groups.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    groups.truncate(bytes as usize / size_of::<u32>());
    Ok(groups)
}

/// Whether a process has ended, reaped or not.
fn has_ended(pidfd: BorrowedFd<'_>) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    Ok(poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&Timespec::default()))? > 0)
}

/// The exit of a process that is not our child: kernels since 6.15 keep it once it has been reaped.
fn exit_of_stranger(pidfd: BorrowedFd<'_>) -> Exit {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    // Hang-up means reaped. Whoever is its parent now does that at once; where it does not, the
    // exit stays unknown.
    let soon = Timespec { tv_sec: 0, tv_nsec: REAPED_WITHIN_NS };
    if poll(&mut [PollFd::new(&pidfd, PollFlags::empty())], Some(&soon)).is_err() {
        return Exit::Unknown;
    }
    let mut info = PidfdInfo { mask: PIDFD_INFO_EXIT, ..PidfdInfo::default() };
    // SAFETY: the ioctl writes at most the 64 bytes its number names into a live structure of that size.
    let result = unsafe { libc::ioctl(pidfd.as_raw_fd(), PIDFD_GET_INFO, &raw mut info) };
    if result != 0 || info.mask & PIDFD_INFO_EXIT == 0 {
        return Exit::Unknown;
    }
    match (info.exit_code >> 8 & 0xff, info.exit_code & 0x7f) {
        (code, 0) => Exit::Code(code),
        (_, signal) => Exit::Signal(signal),
    }
}

/// `struct pidfd_info` of linux/pidfd.h in its first size.
#[repr(C)]
#[derive(Default)]
struct PidfdInfo {
    mask: u64,
    cgroup_id: u64,
    ids: [u32; 11],
    exit_code: i32,
}

const PIDFD_INFO_EXIT: u64 = 1 << 3;
/// `_IOWR(0xFF, 11, struct pidfd_info)` with 64 bytes.
const PIDFD_GET_INFO: libc::Ioctl = 0xC040_FF0B_u32 as libc::Ioctl;
const REAPED_WITHIN_NS: i64 = 20_000_000;
const SO_PEERGROUPS: libc::c_int = 59;
const GROUPS_MOST: usize = 64;
/// As many supplementary groups as the kernel lets one process have.
const GROUPS_MAX: usize = 65_536;
