//! ARP: who has an IPv4 address, and telling everybody that it is here now (RFC 5227).

use super::netlink::Link;
use super::rivals::Wire;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::LinkAddr;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, SocketType, eth, recv, send, socket_with};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The shortest frame of an Ethernet, its checksum apart.
const FRAME_LEN: usize = 60;
/// A frame that ARP uses is shorter than this.
const BUFFER_LEN: usize = 256;
/// Where the packet begins, behind the addresses and the type of the frame.
const PACKET: usize = 14;
const BROADCAST: [u8; 6] = [0xff; 6];
const NOBODY: [u8; 6] = [0; 6];
/// IPv4 over Ethernet.
const HEADER: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// What an ARP packet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Request = 1,
    Reply = 2,
}

/// The part of ARP packets that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Packet {
    operation: Operation,
    sender_mac: [u8; 6],
    sender: Ipv4Addr,
    target_mac: [u8; 6],
    target: Ipv4Addr,
}

/// One address on one interface, as ARP sees it.
#[derive(Debug)]
pub struct Arp {
    socket: OwnedFd,
    mac: [u8; 6],
    ip: Ipv4Addr,
}

impl Arp {
    /// Of an interface with a hardware address.
    pub fn open(link: &Link, mac: [u8; 6], ip: Ipv4Addr) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let family = rustix::net::AddressFamily::PACKET;
        let socket = socket_with(family, SocketType::RAW, flags, Some(eth::ARP))?;
        // The protocol in this address is 0, by which the kernel keeps the socket's own.
        nix::sys::socket::bind(socket.as_raw_fd(), &link_addr(link)?)?;
        Ok(Self { socket, mac, ip })
    }

    /// Whoever sends from the address has it. RFC 5227 takes a probe by another host for a rival, too;
    /// that would make rivals of the nodes of a cluster, which all ask at once when a resource is
    /// created.
    fn is_rival(&self, packet: &Packet) -> bool {
        packet.sender_mac != self.mac && packet.sender == self.ip
    }

    fn send(&self, operation: Operation, sender: Ipv4Addr, target_mac: [u8; 6]) -> io::Result<()> {
        let packet = Packet { operation, sender_mac: self.mac, sender, target_mac, target: self.ip };
        send(&self.socket, &frame(&packet), SendFlags::empty())?;
        Ok(())
    }
}

impl Wire for Arp {
    /// Without saying that we want it.
    fn probe(&self) -> io::Result<()> {
        self.send(Operation::Request, Ipv4Addr::UNSPECIFIED, NOBODY)
    }

    /// As a request, and as a reply for those who learn from nothing else.
    fn announce(&self) -> io::Result<()> {
        self.send(Operation::Request, self.ip, NOBODY)?;
        self.send(Operation::Reply, self.ip, BROADCAST)
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
            let packet = parse(buffer.get(..len).unwrap_or_default());
            if let Some(packet) = packet.filter(|packet| self.is_rival(packet)) {
                return Ok(Some(packet.sender_mac));
            }
        }
    }
}

impl AsFd for Arp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The kernel's name for the interface in a packet socket's addresses.
fn link_addr(link: &Link) -> io::Result<LinkAddr> {
    let of_link = |addr: &LinkAddr| u32::try_from(addr.ifindex()).is_ok_and(|index| index == link.index);
    let mut all = getifaddrs()?;
    let found = all.find_map(|one| one.address?.as_link_addr().copied().filter(of_link));
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{} has vanished", link.name)))
}

fn frame(packet: &Packet) -> Vec<u8> {
    let mut frame = Vec::with_capacity(FRAME_LEN);
    frame.extend(BROADCAST);
    frame.extend(packet.sender_mac);
    frame.extend([0x08, 0x06]);
    frame.extend(HEADER);
    frame.extend([0, packet.operation as u8]);
    frame.extend(packet.sender_mac);
    frame.extend(packet.sender.octets());
    frame.extend(packet.target_mac);
    frame.extend(packet.target.octets());
    frame.resize(FRAME_LEN, 0);
    frame
}

fn parse(frame: &[u8]) -> Option<Packet> {
    let packet = frame.get(PACKET..)?.strip_prefix(&HEADER)?;
    let operation = match packet.get(..2)? {
        [0, 1] => Operation::Request,
        [0, 2] => Operation::Reply,
        _ => return None,
    };
    let mac = |at: usize| packet.get(at..at + 6)?.try_into().ok();
    let ip = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(packet.get(at..at + 4)?).ok()?));
    Some(Packet { operation, sender_mac: mac(2)?, sender: ip(8)?, target_mac: mac(12)?, target: ip(18)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_survives_the_wire_and_garbage_is_none() {
        let packet = Packet {
            operation: Operation::Reply,
            sender_mac: [2, 0, 0, 0, 0, 1],
            sender: Ipv4Addr::new(192, 0, 2, 1),
            target_mac: BROADCAST,
            target: Ipv4Addr::new(192, 0, 2, 7),
        };
        let bytes = frame(&packet);
        assert_eq!(bytes.len(), FRAME_LEN);
        assert_eq!(parse(&bytes), Some(packet));
        assert_eq!(parse(&bytes[..40]), None);
        assert_eq!(parse(&[0; 60]), None);
    }
}
