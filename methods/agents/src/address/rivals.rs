//! Does somebody else have an address? And: it is here now.

use super::arp::Arp;
use super::choose::Place;
use super::ndp::Ndp;
use super::netlink::Link;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Questions asked before an address counts as free. RFC 5227 has three as well, a second or two
/// apart; that is made for hosts that get up, not for a service that is down until they are.
const PROBES: u32 = 3;
/// How long each one waits. A neighbour answers within a millisecond; a switch that has just learnt a
/// port takes longer.
const PROBE_WAIT: Duration = Duration::from_millis(200);

/// One address on one interface, as the protocol that finds its neighbours sees it.
pub trait Wire: AsFd {
    /// Asks everybody who has the address.
    fn probe(&self) -> io::Result<()>;
    /// Tells everybody that the address is here.
    fn announce(&self) -> io::Result<()>;
    /// Reads what has come; the hardware address of somebody who has the address.
    fn rival(&self) -> io::Result<Option<[u8; 6]>>;
}

/// The hardware address of somebody else on the wire who has an address that is to go to this place.
/// Where neighbours have no hardware addresses there is nobody to ask.
pub fn find(place: &Place) -> io::Result<Option<[u8; 6]>> {
    let Some(wire) = open(&place.link, place.ip)? else { return Ok(None) };
    for _ in 0..PROBES {
        match wire.probe() {
            // No address of this interface may ask yet: the kernel will, when the address is put up.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => return Ok(None),
            other => other?,
        }
        let end = Instant::now() + PROBE_WAIT;
        while wait(wire.as_fd(), end)? {
            if let Some(mac) = wire.rival()? {
                return Ok(Some(mac));
            }
        }
    }
    Ok(None)
}

/// Tells everybody on the wire that the address is here.
pub fn announce(link: &Link, ip: IpAddr) -> io::Result<()> {
    open(link, ip)?.map_or(Ok(()), |wire| wire.announce())
}

/// A hardware address as people write it.
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Waits for input until then; says whether there is any.
pub fn wait(fd: BorrowedFd, end: Instant) -> io::Result<bool> {
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&left)) {
            Ok(count) => return Ok(count > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn open(link: &Link, ip: IpAddr) -> io::Result<Option<Box<dyn Wire>>> {
    let Some(mac) = link.mac else { return Ok(None) };
    Ok(Some(match ip {
        IpAddr::V4(ip) => Box::new(Arp::open(link, mac, ip)?),
        IpAddr::V6(ip) => Box::new(Ndp::open(link, mac, ip)?),
    }))
}
