//! The kernel's interfaces and addresses, by netlink.
//!
//! Requests and news have sockets of their own: who is told that something changed asks anew how
//! things are, so a message that was lost, or came twice, does no harm.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressScope, CacheInfo,
};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The kernel fills at most 32 KiB of one message of a dump.
const BUFFER_LEN: usize = 64 << 10;
/// News of links and of addresses of both families.
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
/// An IPv6 address that is valid for ever.
const FOR_EVER: u32 = u32::MAX;

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// It was set up by the administrator.
    pub up: bool,
    /// It can send.
    pub carrier: bool,
    /// It leads back to this machine.
    pub loopback: bool,
    /// Its hardware address, where neighbours are found by such.
    pub mac: Option<[u8; 6]>,
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The interface's number.
    pub index: u32,
    /// The address.
    pub ip: IpAddr,
    /// How many bits its subnet has.
    pub prefix_len: u8,
    /// The kernel still asks whether somebody else has it.
    pub tentative: bool,
    /// Somebody else has it.
    pub duplicate: bool,
}

/// A socket for requests.
#[derive(Debug)]
pub struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

/// A socket for news.
#[derive(Debug)]
pub struct News(OwnedFd);

impl Netlink {
    /// To the kernel, about the network this process lives in.
    pub fn open() -> io::Result<Self> {
        Ok(Self { socket: open(0, SocketFlags::CLOEXEC)?, sequence: 0 })
    }

    /// Every interface.
    pub fn links(&mut self) -> io::Result<Vec<Link>> {
        let answers = self.ask(RouteNetlinkMessage::GetLink(LinkMessage::default()), NLM_F_DUMP)?;
        Ok(answers.into_iter().filter_map(link).collect())
    }

    /// Every address.
    pub fn addresses(&mut self) -> io::Result<Vec<Address>> {
        let answers = self.ask(RouteNetlinkMessage::GetAddress(AddressMessage::default()), NLM_F_DUMP)?;
        Ok(answers.into_iter().filter_map(address).collect())
    }

    /// Puts an address up. For IPv6 the kernel then asks the neighbours whether they have it, and
    /// prefers other addresses for connections that this machine begins.
    pub fn add(&mut self, index: u32, ip: IpAddr, prefix_len: u8) -> io::Result<()> {
        let mut message = about(index, ip, prefix_len);
        match ip {
            IpAddr::V4(ip) => message.attributes.push(AddressAttribute::Broadcast(broadcast(ip, prefix_len))),
            IpAddr::V6(_) => {
                let mut lifetime = CacheInfo::default();
                lifetime.ifa_preferred = 0;
                lifetime.ifa_valid = FOR_EVER;
                message.attributes.push(AddressAttribute::CacheInfo(lifetime));
            }
        }
        self.ask(RouteNetlinkMessage::NewAddress(message), NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL).map(drop)
    }

    /// Takes an address away.
    pub fn remove(&mut self, index: u32, ip: IpAddr, prefix_len: u8) -> io::Result<()> {
        let message = RouteNetlinkMessage::DelAddress(about(index, ip, prefix_len));
        self.ask(message, NLM_F_ACK).map(drop)
    }

    /// Sends a request, and reads up to its end: all answers to a dump, or the acknowledgement.
    fn ask(&mut self, request: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
        self.sequence += 1;
        let mut message = NetlinkMessage::from(request);
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        send(&self.socket, &bytes, SendFlags::empty())?;
        let mut answers = Vec::new();
        while !self.read(&mut answers)? {}
        Ok(answers)
    }

    /// Reads one datagram; says whether it was the last one.
    fn read(&self, answers: &mut Vec<RouteNetlinkMessage>) -> io::Result<bool> {
        let mut buffer = vec![0; BUFFER_LEN];
        let (len, _) = recv(&self.socket, &mut buffer, RecvFlags::empty())?;
        let mut rest = buffer.get(..len).unwrap_or_default();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            // Messages begin at multiples of 4 bytes.
            let len = usize::try_from(message.header.length).unwrap_or(usize::MAX).next_multiple_of(4);
            rest = rest.get(len..).unwrap_or_default();
            if message.header.sequence_number != self.sequence {
                continue;
            }
            if let NetlinkPayload::InnerMessage(inner) = message.payload {
                answers.push(inner);
            } else if let NetlinkPayload::Error(error) = message.payload {
                return error.code.map_or(Ok(true), |_| Err(error.to_io()));
            } else if let NetlinkPayload::Done(_) = message.payload {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl News {
    /// From now on.
    pub fn open() -> io::Result<Self> {
        Ok(Self(open(GROUPS, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?))
    }

    /// Throws away what has been told: whoever was woken by it asks how things are.
    pub fn drain(&self) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER_LEN];
        loop {
            match recv(&self.0, &mut buffer, RecvFlags::empty()) {
                // More than the socket holds: some was lost, and something has changed.
                Ok(_) | Err(rustix::io::Errno::NOBUFS | rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for News {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn open(groups: u32, flags: SocketFlags) -> io::Result<OwnedFd> {
    // NETLINK_ROUTE is protocol 0, for which rustix has no name.
    let socket = socket_with(rustix::net::AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

fn about(index: u32, ip: IpAddr, prefix_len: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.prefix_len = prefix_len;
    message.header.scope = AddressScope::Universe;
    message.header.index = index;
    message.attributes = vec![AddressAttribute::Local(ip), AddressAttribute::Address(ip)];
    message
}

/// The address that all of the subnet listen to; where there can't be any, the address itself.
fn broadcast(ip: Ipv4Addr, prefix_len: u8) -> Ipv4Addr {
    let hosts = u32::MAX.checked_shr(u32::from(prefix_len)).unwrap_or(0);
    if hosts <= 1 { ip } else { Ipv4Addr::from(u32::from(ip) | hosts) }
}

fn link(message: RouteNetlinkMessage) -> Option<Link> {
    let RouteNetlinkMessage::NewLink(message) = message else { return None };
    let (mut name, mut mac) = (None, None);
    for attribute in message.attributes {
        if let LinkAttribute::IfName(text) = attribute {
            name = Some(text);
        } else if let LinkAttribute::Address(bytes) = attribute {
            mac = <[u8; 6]>::try_from(bytes).ok();
        }
    }
    let flags = message.header.flags;
    let neighbours = !flags.intersects(LinkFlags::Noarp | LinkFlags::Loopback | LinkFlags::Pointopoint);
    Some(Link {
        index: message.header.index,
        name: name?,
        up: flags.contains(LinkFlags::Up),
        carrier: flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
        loopback: flags.contains(LinkFlags::Loopback),
        mac: mac.filter(|_| neighbours),
    })
}

fn address(message: RouteNetlinkMessage) -> Option<Address> {
    let RouteNetlinkMessage::NewAddress(message) = message else { return None };
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    let (mut local, mut other) = (None, None);
    for attribute in message.attributes {
        if let AddressAttribute::Local(ip) = attribute {
            local = Some(ip);
        } else if let AddressAttribute::Address(ip) = attribute {
            other = Some(ip);
        } else if let AddressAttribute::Flags(more) = attribute {
            flags |= more;
        }
    }
    Some(Address {
        index: message.header.index,
        ip: local.or(other)?,
        prefix_len: message.header.prefix_len,
        tentative: flags.contains(AddressFlags::Tentative),
        duplicate: flags.contains(AddressFlags::Dadfailed),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_and_its_address_are_seen() {
        let mut netlink = Netlink::open().unwrap();
        let link = netlink.links().unwrap().into_iter().find(|link| link.name == "lo").unwrap();
        assert!(link.loopback && link.mac.is_none());
        // Where it is down, as in a network made just now, it has no address.
        let of_lo = netlink.addresses().unwrap().into_iter().find(|address| address.index == link.index);
        assert!(!link.up || of_lo.is_some_and(|address| address.ip.is_loopback()));
    }

    #[test]
    fn what_the_kernel_refuses_is_an_error_with_its_reason() {
        let mut netlink = Netlink::open().unwrap();
        let error = netlink.add(u32::MAX, "192.0.2.1".parse().unwrap(), 24).unwrap_err();
        assert!(matches!(error.raw_os_error(), Some(nix::libc::ENODEV | nix::libc::EINVAL)), "{error}");
        assert!(netlink.links().is_ok(), "the socket goes on");
    }

    #[test]
    fn the_broadcast_address_has_all_bits_of_the_host_set() {
        for (ip, prefix_len, expected) in [
            ([192, 0, 2, 5], 24, [192, 0, 2, 255]),
            ([10, 1, 2, 3], 8, [10, 255, 255, 255]),
            ([192, 0, 2, 5], 31, [192, 0, 2, 5]),
            ([192, 0, 2, 5], 32, [192, 0, 2, 5]),
            ([192, 0, 2, 5], 0, [255, 255, 255, 255]),
        ] {
            assert_eq!(broadcast(ip.into(), prefix_len), Ipv4Addr::from(expected));
        }
    }
}
