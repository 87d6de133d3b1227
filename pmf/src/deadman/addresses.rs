//! Taking logical addresses down, with nobody's help.
//!
//! The resource type for addresses writes each down in the node's run directory before it puts it up
//! (see [`rgm_api::pmf::HeldAddress`]), so what is on record is all there may be. A known address is
//! deleted by one small netlink message, which is written here by hand: a program started for it
//! would need a fork, an exec from a disk and memory, at the very moment when any of them may be gone.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

use rgm_api::pmf::{ADDRESSES, HeldAddress};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with,
};

/// What became of the addresses on record.
#[derive(Debug, Default)]
pub struct TakenDown {
    /// Addresses that were up and are not any more.
    pub count: u32,
    /// What could not be done.
    pub failures: Vec<String>,
}

/// A socket to the kernel's addresses, opened before it is needed.
pub fn open() -> io::Result<OwnedFd> {
    // NETLINK_ROUTE is protocol 0, for which rustix has no name.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    Ok(socket)
}

/// Takes down every address on record in this directory; without a socket one is opened. The records stay: they may tell of an
/// address that is gone, and whoever put it up strikes it out when told to stop.
pub fn take_down(run_dir: &Path, socket: Option<&OwnedFd>) -> TakenDown {
    let mut done = TakenDown::default();
    let opened = if socket.is_none() { open() } else { Err(Errno::EXIST.into()) };
    let Some(socket) = socket.or(opened.as_ref().ok()) else {
        done.failures.extend(opened.err().map(|error| format!("cannot take addresses down: {error}")));
        return done;
    };
    let entries = match fs::read_dir(run_dir) {
        Ok(entries) => entries,
        Err(error) => {
            done.failures.push(format!("cannot look for addresses in {}: {error}", run_dir.display()));
            return done;
        }
    };
    let files = entries.flatten().map(|entry| entry.path());
    for file in files.filter(|file| file.extension().is_some_and(|kind| kind == ADDRESSES)) {
        let held = fs::read(&file)
            .and_then(|text| serde_json::from_slice::<Vec<HeldAddress>>(&text).map_err(io::Error::other));
        match held {
            Ok(held) => held.iter().for_each(|held| take_one(socket, held, &mut done)),
            Err(error) => done.failures.push(format!("cannot read {}: {error}", file.display())),
        }
    }
    done
}

fn take_one(socket: &OwnedFd, held: &HeldAddress, done: &mut TakenDown) {
    match delete(socket, held) {
        Ok(()) => done.count += 1,
        Err(Errno::ADDRNOTAVAIL | Errno::NODEV | Errno::NXIO) => {}
        Err(error) => done.failures.push(format!("cannot take {} off {}: {error}", held.ip, held.netif)),
    }
}

fn delete(socket: &OwnedFd, held: &HeldAddress) -> Result<(), Errno> {
    let mut message = [0; MESSAGE_BYTES_MAX];
    let len = compose(&mut message, held);
    send(socket, message.get(..len).unwrap_or_default(), SendFlags::empty())?;
    let mut answer = [0; ANSWER_BYTES_MAX];
    // The kernel has answered before the message counts as sent.
    let (len, _) = recv(socket, &mut answer[..], RecvFlags::DONTWAIT)?;
    let code = answer.get(..len).and_then(|answer| answer.get(16..20)).and_then(|code| code.try_into().ok());
    match code.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(code) => Err(Errno::from_raw_os_error(code.saturating_neg())),
        None => Err(Errno::BADMSG),
    }
}

const MESSAGE_BYTES_MAX: usize = 64;
const ANSWER_BYTES_MAX: usize = 256;

/// `nlmsghdr`, `ifaddrmsg` and twice `rtattr` with the address, as linux/rtnetlink.h lays them out.
fn compose(message: &mut [u8; MESSAGE_BYTES_MAX], held: &HeldAddress) -> usize {
    const RTM_DELADDR: u16 = 21;
    const NLM_F_REQUEST_ACK: u16 = 1 | 4;
    const IFA_ADDRESS: u16 = 1;
    const IFA_LOCAL: u16 = 2;
    let (family, v4, v6);
    let bytes: &[u8] = match held.ip {
        IpAddr::V4(ip) => {
            (family, v4) = (2, ip.octets());
            &v4
        }
        IpAddr::V6(ip) => {
            (family, v6) = (10, ip.octets());
            &v6
        }
    };
    let attribute_len = u16::try_from(4 + bytes.len()).unwrap_or(0);
    let len = 16 + 8 + 2 * (4 + bytes.len());
    let mut at = 0;
    let mut put = |part: &[u8]| {
        if let Some(place) = message.get_mut(at..at + part.len()) {
            place.copy_from_slice(part);
        }
        at += part.len();
    };
    put(&u32::try_from(len).unwrap_or(0).to_ne_bytes());
    put(&RTM_DELADDR.to_ne_bytes());
    put(&NLM_F_REQUEST_ACK.to_ne_bytes());
    put(&[0; 8]);
    put(&[family, held.prefix_len, 0, 0]);
    put(&held.index.to_ne_bytes());
    for kind in [IFA_LOCAL, IFA_ADDRESS] {
        put(&attribute_len.to_ne_bytes());
        put(&kind.to_ne_bytes());
        put(bytes);
    }
    len
}
