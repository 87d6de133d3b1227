//! Neighbour discovery: who has an IPv6 address, and telling everybody that it is here now
//! (RFC 4861). The kernel computes the checksums.

use super::netlink::Link;
use super::rivals::Wire;
use rustix::net::sockopt::{set_ipv6_multicast_hops, set_ipv6_multicast_if};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, ipproto, recv, sendto, socket_with,
};
use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Neighbours believe nothing that may have passed a router.
const HOPS: u32 = 255;
/// Longer than any message read here.
const BUFFER_LEN: usize = 2048;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// Of an advertisement: forget what you knew.
const OVERRIDE: u8 = 0x20;
const SOURCE_MAC: u8 = 1;
const TARGET_MAC: u8 = 2;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// One address on one interface, as neighbour discovery sees it.
#[derive(Debug)]
pub struct Ndp {
    socket: OwnedFd,
    mac: [u8; 6],
    index: u32,
    ip: Ipv6Addr,
}

impl Ndp {
    /// Of an interface with a hardware address.
    pub fn open(link: &Link, mac: [u8; 6], ip: Ipv6Addr) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::INET6, SocketType::RAW, flags, Some(ipproto::ICMPV6))?;
        set_ipv6_multicast_hops(&socket, HOPS)?;
        set_ipv6_multicast_if(&socket, link.index)?;
        Ok(Self { socket, mac, index: link.index, ip })
    }

    fn send(&self, message: &[u8], to: Ipv6Addr) -> io::Result<()> {
        let to = SocketAddrV6::new(to, 0, 0, self.index);
        sendto(&self.socket, message, SendFlags::empty(), &to)?;
        Ok(())
    }
}

impl Wire for Ndp {
    fn probe(&self) -> io::Result<()> {
        let to = solicited_node(self.ip);
        self.send(&message(SOLICITATION, 0, self.ip, SOURCE_MAC, self.mac), to)
    }

    /// From the address itself.
    fn announce(&self) -> io::Result<()> {
        bind(&self.socket, &SocketAddrV6::new(self.ip, 0, 0, 0))?;
        self.send(&message(ADVERTISEMENT, OVERRIDE, self.ip, TARGET_MAC, self.mac), ALL_NODES)
    }

    fn rival(&self) -> io::Result<Option<[u8; 6]>> {
        let mut buffer = [0; BUFFER_LEN];
        loop {
            let len = match recv(&self.socket, &mut buffer, RecvFlags::empty()) {
                Ok((len, _)) => len,
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            let rival = advertised_by(buffer.get(..len).unwrap_or_default(), self.ip);
            if let Some(mac) = rival.filter(|mac| *mac != self.mac) {
                return Ok(Some(mac));
            }
        }
    }
}

impl AsFd for Ndp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The group that whoever has the address listens to.
fn solicited_node(ip: Ipv6Addr) -> Ipv6Addr {
    let low = u128::from(ip) & 0xff_ffff;
    Ipv6Addr::from(u128::from(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00, 0)) | low)
}

fn message(kind: u8, flags: u8, target: Ipv6Addr, option: u8, mac: [u8; 6]) -> Vec<u8> {
    let mut bytes = vec![kind, 0, 0, 0, flags, 0, 0, 0];
    bytes.extend(target.octets());
    bytes.extend([option, 1]);
    bytes.extend(mac);
    bytes
}

/// Who advertises the address in this message; zeros where it does not say.
fn advertised_by(message: &[u8], ip: Ipv6Addr) -> Option<[u8; 6]> {
    let advertises = message.first() == Some(&ADVERTISEMENT) && message.get(8..24)? == ip.octets();
    let mac = || message.get(24..)?.strip_prefix(&[TARGET_MAC, 1])?.get(..6)?.try_into().ok();
    advertises.then(|| mac().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertisement_names_its_address_and_who_has_it() {
        let ip: Ipv6Addr = "2001:db8::12:3456".parse().unwrap();
        let mac = [2, 0, 0, 0, 0, 1];
        let bytes = message(ADVERTISEMENT, OVERRIDE, ip, TARGET_MAC, mac);
        assert_eq!(advertised_by(&bytes, ip), Some(mac));
        assert_eq!(advertised_by(&bytes[..24], ip), Some([0; 6]));
        assert_eq!(advertised_by(&bytes, "2001:db8::1".parse().unwrap()), None);
        assert_eq!(advertised_by(&message(SOLICITATION, 0, ip, SOURCE_MAC, mac), ip), None);
    }

    #[test]
    fn the_solicited_node_group_ends_as_the_address_does() {
        assert_eq!(solicited_node("2001:db8::ab12:3456".parse().unwrap()).to_string(), "ff02::1:ff12:3456");
    }
}
