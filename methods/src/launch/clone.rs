//! The clone and what the child does between birth and exec.
#![expect(unsafe_code, reason = "a child that shares our memory until it executes its program")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering::Relaxed};

use super::{Group, Owner, Prepared, Step};

/// What the child's few calls need, with much to spare.
const CHILD_STACK_BYTES: usize = 32 * 1024;
/// Set once clone3 or close_range turned out to be missing or filtered, so it is tried only once.
static CLONE3_REFUSED: AtomicBool = AtomicBool::new(false);
const SHELL: &CStr = c"/bin/sh";

/// All the child reads, and the two numbers it writes. The pointers point into [`Prepared`].
pub(super) struct Plan {
    candidates: Vec<*const c_char>,
    argv: Vec<*const c_char>,
    /// For a script without `#!`: `/bin/sh`, room for its path, its arguments.
    shell_argv: Vec<AtomicPtr<c_char>>,
    env: Vec<*const c_char>,
    cwd: *const c_char,
    owner: Option<Owner>,
    stdio: [RawFd; 3],
    /// The cgroup directory the child enters by itself, or -1 if the kernel has put it there.
    join_cgroup: RawFd,
    group: Group,
    files_max: Option<(u64, u64)>,
    unprotected: bool,
    shares_files: bool,
    step: AtomicI32,
    errno: AtomicI32,
}

impl Plan {
    pub(super) fn new(start: &Prepared, more_env: &[&CStr], stdio: [Option<BorrowedFd<'_>>; 3]) -> Self {
        let mut strings = start.strings().map(CStr::as_ptr);
        let mut some = |count| strings.by_ref().take(count).chain([ptr::null()]).collect::<Vec<_>>();
        let (argv, candidates) = (some(start.argv), some(start.candidates));
        let cwd = start.has_cwd.then(|| strings.next()).flatten().unwrap_or(ptr::null());
        let env = strings.chain(more_env.iter().map(|text| text.as_ptr())).chain([ptr::null()]).collect();
        let shell_argv = [SHELL.as_ptr(), ptr::null()]
            .into_iter()
            .chain(argv.iter().copied().skip(1))
            .map(|text| AtomicPtr::new(text.cast_mut()))
            .collect();
        Self {
            candidates,
            argv,
            shell_argv,
            env,
            cwd,
            owner: start.owner.clone(),
            stdio: stdio.map(|fd| fd.map_or(-1, |fd| fd.as_raw_fd())),
            join_cgroup: -1,
            group: start.group,
            files_max: start.files_max,
            unprotected: start.unprotected,
            shares_files: false,
            step: AtomicI32::new(0),
            errno: AtomicI32::new(0),
        }
    }

    /// Clones; the fast way first, the plain way where the kernel lacks or forbids the fast one.
    pub(super) fn run(&mut self, cgroup: Option<BorrowedFd<'_>>, plain: bool) -> Result<(i32, OwnedFd), i32> {
        if plain || CLONE3_REFUSED.load(Relaxed) {
            return self.clone_plain(cgroup);
        }
        let lacking = |errno| matches!(errno, libc::ENOSYS | libc::EPERM | libc::EINVAL);
        match self.clone3(cgroup) {
            Err(errno) if lacking(errno) => {}
            Ok((_, pidfd)) if matches!(self.failure(), Some((Step::Files, errno)) if lacking(errno)) => {
                reap(pidfd.as_fd());
            }
            other => return other,
        }
        self.step.store(0, Relaxed);
        let result = self.clone_plain(cgroup);
        // Remembered only once the plain way has worked where the other did not.
        if result.is_ok() && self.failure().is_none() {
            CLONE3_REFUSED.store(true, Relaxed);
        }
        result
    }

    /// What the child could not do, and why.
    pub(super) fn failure(&self) -> Option<(Step, i32)> {
        let step = usize::try_from(self.step.load(Relaxed)).ok()?.checked_sub(1)?;
        STEPS.get(step).map(|step| (*step, self.errno.load(Relaxed)))
    }

    fn clone3(&mut self, cgroup: Option<BorrowedFd<'_>>) -> Result<(i32, OwnedFd), i32> {
        let mut stack = Stack::new();
        let mut pidfd: RawFd = -1;
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::CLONE_FILES;
        self.shares_files = true;
        self.join_cgroup = -1;
        let mut args = CloneArgs {
            pidfd: (&raw mut pidfd) as u64,
            exit_signal: u64::from(libc::SIGCHLD.unsigned_abs()),
            stack: stack.bottom() as u64,
            stack_size: CHILD_STACK_BYTES as u64,
            ..CloneArgs::default()
        };
        let mut wide = 0;
        if let Some(dir) = cgroup {
            wide = CLONE_INTO_CGROUP;
            args.cgroup = u64::from(dir.as_raw_fd().unsigned_abs());
        }
        args.flags = u64::from(flags.unsigned_abs()) | wide;
        let signals = BlockedSignals::new();
        // SAFETY: the arguments describe a live stack of the given size; the parent sleeps until the
        // child has executed or exited (VFORK), so plan, strings and stack outlive the child's use.
        let result = unsafe { clone3(&mut args, ptr::from_mut(self).cast()) };
        drop(signals);
        finish_clone(result, pidfd)
    }

    /// The way of kernels before 5.9 and of sandboxes that forbid clone3.
    fn clone_plain(&mut self, cgroup: Option<BorrowedFd<'_>>) -> Result<(i32, OwnedFd), i32> {
        let mut stack = Stack::new();
        let mut pidfd: RawFd = -1;
        self.shares_files = false;
        self.join_cgroup = cgroup.map_or(-1, |dir| dir.as_raw_fd());
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
        let signals = BlockedSignals::new();
        // SAFETY: as in `clone3`; the stack pointer is the aligned top of a live buffer.
        let result =
            unsafe { libc::clone(child, stack.top(), flags, ptr::from_mut(self).cast(), &raw mut pidfd) };
        let errno = io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
        drop(signals);
        finish_clone(if result < 0 { -i64::from(errno) } else { i64::from(result) }, pidfd)
    }
}

fn finish_clone(result: i64, pidfd: RawFd) -> Result<(i32, OwnedFd), i32> {
    let result = i32::try_from(result).map_err(|_| libc::EIO)?;
    if result < 0 {
        return Err(-result);
    }
    // SAFETY: the clone succeeded, so the kernel has put a fresh descriptor there that we own.
    Ok((result, unsafe { OwnedFd::from_raw_fd(pidfd) }))
}

/// Memory for the child's calls, aligned as the machine wants its stack.
struct Stack(Vec<u128>);

impl Stack {
    fn new() -> Self {
        Self(Vec::with_capacity(CHILD_STACK_BYTES / size_of::<u128>()))
    }
    fn bottom(&mut self) -> *mut c_void {
        self.0.as_mut_ptr().cast()
    }
    fn top(&mut self) -> *mut c_void {
        self.bottom().wrapping_byte_add(CHILD_STACK_BYTES)
    }
}

/// While this lives no signal handler can run, neither here nor in a child that shares our memory.
struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    fn new() -> Self {
        // SAFETY: a sigset is plain data, filled by the two calls before it is read.
        unsafe {
            let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            Self(before)
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: restores the set that `new` stored.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, ptr::null_mut()) };
    }
}

/// Takes a child that has failed out of the process table.
pub(super) fn reap(pidfd: BorrowedFd<'_>) {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    // It has exited before the clone returned, so this neither blocks nor fails.
    let _gone = waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED);
}

/// The steps a child can fail at, in the numbers it writes, from one.
const STEPS: [Step; 6] = [Step::Cgroup, Step::Group, Step::Files, Step::Owner, Step::Cwd, Step::Exec];

/// `struct clone_args` of linux/sched.h, in the size that knows cgroups.
#[repr(C)]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The system call, with a child that goes on in [`child`] on its own stack.
///
/// # Safety
/// `args` must ask for VM and VFORK and name a live stack; `plan` must point to a live [`Plan`].
#[cfg(target_arch = "x86_64")]
unsafe fn clone3(args: &mut CloneArgs, plan: *mut c_void) -> i64 {
    let result: i64;
    // SAFETY: the kernel keeps every register but rax, rcx and r11. The parent falls through to the
    // label; the child calls a function that does not return, on a stack aligned to 16.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r8",
            "call r9",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") ptr::from_mut(args),
            in("rsi") size_of::<CloneArgs>(),
            in("r8") plan,
            in("r9") child as extern "C" fn(*mut c_void) -> c_int,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// As above.
///
/// # Safety
/// As above.
#[cfg(target_arch = "aarch64")]
unsafe fn clone3(args: &mut CloneArgs, plan: *mut c_void) -> i64 {
    let result: i64;
    // SAFETY: the kernel keeps every register but x0. The parent falls through to the label; the
    // child calls a function that does not return, on a stack aligned to 16.
    unsafe {
        std::arch::asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x0, x9",
            "blr x10",
            "brk #1",
            "2:",
            inlateout("x0") ptr::from_mut(args) => result,
            in("x1") size_of::<CloneArgs>(),
            in("x8") libc::SYS_clone3,
            in("x9") plan,
            in("x10") child as extern "C" fn(*mut c_void) -> c_int,
        );
    }
    result
}

/// Other machines take the plain way.
///
/// # Safety
/// None is needed.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
unsafe fn clone3(_args: &mut CloneArgs, _plan: *mut c_void) -> i64 {
    -i64::from(libc::ENOSYS)
}

/// All that happens in the child. It shares memory with its sleeping parent, so it allocates
/// nothing, takes no lock, and calls the kernel directly where libc would tell other threads.
extern "C" fn child(plan: *mut c_void) -> c_int {
    // SAFETY: the parent passes its live plan and sleeps; only the atomics are written.
    let plan = unsafe { &*plan.cast::<Plan>() };
    // SAFETY: every call below takes integers or pointers into the plan, its strings, or this stack.
    let result = unsafe { enter(plan) };
    if let Err((step, errno)) = result {
        plan.errno.store(errno, Relaxed);
        let number = (1..).zip(STEPS).find(|(_, known)| *known == step).map_or(1, |(number, _)| number);
        plan.step.store(number, Relaxed);
    }
    // SAFETY: ends the child only, without running anything of the parent's.
    unsafe { libc::_exit(127) }
}

/// Returns only when something failed.
unsafe fn enter(plan: &Plan) -> Result<(), (Step, i32)> {
    unsafe {
        // Before the descriptors go; afterwards the directory could not be named any more.
        if plan.join_cgroup >= 0 {
            join_cgroup(plan.join_cgroup).map_err(|errno| (Step::Cgroup, errno))?;
        }
        match plan.group {
            Group::Inherit => Ok(0),
            Group::Process => check(libc::setpgid(0, 0)),
            Group::Session => check(libc::setsid()),
        }
        .map_err(|errno| (Step::Group, errno))?;
        arrange_files(plan).map_err(|errno| (Step::Files, errno))?;
        default_signals();
        if plan.unprotected {
            give_up_protection();
        }
        become_owner(plan).map_err(|errno| (Step::Owner, errno))?;
        if !plan.cwd.is_null() {
            check(libc::chdir(plan.cwd)).map_err(|errno| (Step::Cwd, errno))?;
        }
        Err((Step::Exec, execute(plan)))
    }
}

unsafe fn join_cgroup(dir: RawFd) -> Result<(), i32> {
    unsafe {
        let procs = check(libc::openat(dir, c"cgroup.procs".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC))?;
        let written = libc::write(procs, c"0".as_ptr().cast(), 1);
        let errno = last_errno();
        libc::close(procs);
        if written == 1 { Ok(()) } else { Err(errno) }
    }
}

/// Puts the three standard files in place and closes all others. Where the descriptor table is still
/// the parent's, the first act is to leave it: the kernel then copies only what is to be kept.
unsafe fn arrange_files(plan: &Plan) -> Result<(), i32> {
    unsafe {
        if plan.shares_files {
            let keep_max = plan.stdio.iter().copied().fold(2, i32::max);
            close_from(keep_max + 1, libc::CLOSE_RANGE_UNSHARE)?;
        }
        let mut sources = plan.stdio;
        if sources.contains(&-1) {
            let null = check(libc::open(c"/dev/null".as_ptr(), libc::O_RDWR))?;
            sources = sources.map(|source| if source < 0 { null } else { source });
        }
        for source in &mut sources {
            // Above the places they go to, so that putting one there cannot overwrite the next.
            if *source <= 2 {
                *source = check(libc::fcntl(*source, libc::F_DUPFD, 3))?;
            }
        }
        for (place, source) in (0..).zip(sources) {
            check(libc::dup2(source, place))?;
        }
        match close_from(3, 0) {
            Err(libc::ENOSYS | libc::EPERM) => {
                let limit = libc::sysconf(libc::_SC_OPEN_MAX).clamp(3, FILES_MAX_OLD_KERNEL);
                for fd in 3..limit as c_int {
                    libc::close(fd);
                }
                Ok(())
            }
            other => other,
        }
    }
}

/// How far descriptors are closed one by one where the kernel cannot close a range.
const FILES_MAX_OLD_KERNEL: i64 = 65_536;

unsafe fn close_from(first: c_int, flags: libc::c_uint) -> Result<(), i32> {
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, c_int::MAX, flags) };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Ignored signals stay ignored across exec, and Rust ignores SIGPIPE: make all default, then let
/// those through that the parent had blocked for the time of the clone. The kernel is asked itself,
/// for libc hides two signals that whoever started us may have ignored.
unsafe fn default_signals() {
    unsafe {
        // A kernel sigaction of all zeroes: default, no flags, nothing masked.
        let default = [0_u64; 8];
        for signal in 1..=SIGNAL_MAX {
            // KILL and STOP refuse, rightly.
            let nothing: *mut u64 = ptr::null_mut();
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), nothing, SIGSET_BYTES);
        }
        let nothing: *mut u64 = ptr::null_mut();
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, default.as_ptr(), nothing, SIGSET_BYTES);
    }
}

const SIGSET_BYTES: usize = 8;
const SIGNAL_MAX: c_int = 64;

/// A caller whom the kernel spares when memory is short keeps that for itself. No start fails by this.
unsafe fn give_up_protection() {
    unsafe {
        let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        let mut sign = 0_u8;
        if libc::read(file, (&raw mut sign).cast(), 1) == 1 && sign == b'-' {
            libc::pwrite(file, c"0".as_ptr().cast(), 1, 0);
        }
        libc::close(file);
    }
}

/// The kernel's own calls: those of libc change every thread of the process, here the parent's.
unsafe fn become_owner(plan: &Plan) -> Result<(), i32> {
    unsafe {
        if let Some((soft, hard)) = plan.files_max {
            let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
            check(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit))?;
        }
        if let Some(owner) = plan.owner.as_ref().filter(|owner| !is_ours(owner)) {
            // Only root may set groups; anyone else can only start processes of its own anyway.
            if libc::syscall(libc::SYS_geteuid) == 0 {
                check_long(libc::syscall(libc::SYS_setgroups, owner.groups.len(), owner.groups.as_ptr()))?;
            }
            check_long(libc::syscall(libc::SYS_setresgid, owner.gid, owner.gid, owner.gid))?;
            check_long(libc::syscall(libc::SYS_setresuid, owner.uid, owner.uid, owner.uid))?;
        }
        Ok(())
    }
}

/// Whether we have the rights of this owner and no others, so that the kernel need not copy any.
unsafe fn is_ours(owner: &Owner) -> bool {
    let (mut uids, mut gids, mut groups) = ([u32::MAX; 3], [u32::MAX; 3], [0_u32; FEW_GROUPS]);
    unsafe {
        let [real, effective, saved] = &mut uids;
        libc::syscall(libc::SYS_getresuid, real, effective, saved);
        let [real, effective, saved] = &mut gids;
        libc::syscall(libc::SYS_getresgid, real, effective, saved);
        let count = libc::syscall(libc::SYS_getgroups, groups.len(), groups.as_mut_ptr());
        // With more groups than fit, the kernel refuses to tell them.
        let groups = usize::try_from(count).ok().and_then(|count| groups.get(..count));
        uids == [owner.uid; 3] && gids == [owner.gid; 3] && groups == Some(owner.groups.as_slice())
    }
}

const FEW_GROUPS: usize = 64;

/// Tries one candidate after the other as a shell does, and returns the errno worth telling.
unsafe fn execute(plan: &Plan) -> i32 {
    let mut worth_telling = libc::ENOENT;
    for candidate in plan.candidates.iter().copied().take_while(|candidate| !candidate.is_null()) {
        let errno = unsafe {
            libc::execve(candidate, plan.argv.as_ptr(), plan.env.as_ptr());
            last_errno()
        };
        match errno {
            libc::ENOENT | libc::ENOTDIR => {}
            libc::EACCES => worth_telling = errno,
            libc::ENOEXEC => return unsafe { execute_by_shell(plan, candidate) },
            _ => return errno,
        }
    }
    worth_telling
}

unsafe fn execute_by_shell(plan: &Plan, script: *const c_char) -> i32 {
    // The second place was left free for this. The parent does not look at it again.
    if let Some(place) = plan.shell_argv.get(1) {
        place.store(script.cast_mut(), Relaxed);
    }
    unsafe {
        libc::execve(SHELL.as_ptr(), plan.shell_argv.as_ptr().cast(), plan.env.as_ptr());
        last_errno()
    }
}

fn check(result: c_int) -> Result<c_int, i32> {
    if result < 0 { Err(last_errno()) } else { Ok(result) }
}

fn check_long(result: i64) -> Result<(), i32> {
    if result < 0 { Err(last_errno()) } else { Ok(()) }
}

fn last_errno() -> i32 {
    // SAFETY: points to this thread's errno, always.
    unsafe { *libc::__errno_location() }
}
