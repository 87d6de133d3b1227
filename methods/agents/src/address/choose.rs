//! Which interface an address goes to, and with which subnet: pure.

use super::netlink::{Address, Link};
use std::net::IpAddr;

/// Where an address goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The address.
    pub ip: IpAddr,
    /// Length of its subnet's prefix.
    pub prefix_len: u8,
    /// Its interface.
    pub link: Link,
}

/// What is known when an address is placed.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Every interface.
    pub links: &'a [Link],
    /// Every address.
    pub addresses: &'a [Address],
    /// Interfaces that the administrator named for this node; none: any will do.
    pub named: &'a [String],
    /// Length of the prefix where no interface's subnet tells it.
    pub prefix_len: Option<u8>,
}

/// The interface with the narrowest subnet that holds the address, one with a carrier before others;
/// where none has such a subnet, the first one named. The error is a sentence.
pub fn place(ip: IpAddr, known: &Known) -> Result<Place, String> {
    let candidates = candidates(known)?;
    let subnets = known.addresses.iter().filter(|own| own.ip != ip && holds(own, ip));
    let on = |own: &Address| candidates.iter().find(|link| link.index == own.index).copied();
    let mut found: Vec<(&Link, u8)> = subnets.filter_map(|own| Some((on(own)?, own.prefix_len))).collect();
    found.sort_by_key(|(link, len)| (!link.carrier, u8::MAX - len, link.index));
    if let Some((link, prefix_len)) = found.first() {
        return Ok(Place { ip, prefix_len: *prefix_len, link: (*link).clone() });
    }
    let Some(link) = candidates.first().filter(|_| !known.named.is_empty()) else {
        return Err(format!(
            "no interface of this node has a subnet with {ip}; name one with Netiflist=INTERFACE@NODE"
        ));
    };
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    match known.prefix_len {
        Some(len) if len <= longest => Ok(Place { ip, prefix_len: len, link: (*link).clone() }),
        Some(len) => Err(format!("Prefix_length={len} is longer than {ip}; the most is {longest}")),
        None => Err(format!(
            "{} has no subnet with {ip}; say how long its prefix is with Prefix_length",
            link.name
        )),
    }
}

/// Interfaces that may be used, in the order of their names in `Netiflist`.
fn candidates<'a>(known: &Known<'a>) -> Result<Vec<&'a Link>, String> {
    if known.named.is_empty() {
        return Ok(known.links.iter().filter(|link| !link.loopback && link.up).collect());
    }
    known.named.iter().map(|name| find(known.links, name)).collect()
}

/// The interface of that name.
fn find<'a>(links: &'a [Link], name: &str) -> Result<&'a Link, String> {
    links.iter().find(|link| link.name == name).ok_or_else(|| {
        let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
        format!("this node has no interface {name}; it has {}", names.join(" "))
    })
}

/// Does the subnet of an interface's address hold this one?
fn holds(own: &Address, ip: IpAddr) -> bool {
    let shift = |bits: u32, value: u128| value.checked_shr(bits - u32::from(own.prefix_len)).unwrap_or(0);
    match (own.ip, ip) {
        (IpAddr::V4(own_ip), IpAddr::V4(ip)) if own.prefix_len <= 32 => {
            shift(32, u32::from(own_ip).into()) == shift(32, u32::from(ip).into())
        }
        (IpAddr::V6(own_ip), IpAddr::V6(ip)) if own.prefix_len <= 128 => {
            shift(128, own_ip.into()) == shift(128, ip.into())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str, carrier: bool) -> Link {
        Link { index, name: name.into(), up: true, carrier, loopback: name == "lo", mac: None }
    }

    fn own(index: u32, ip: &str, prefix_len: u8) -> Address {
        Address { index, ip: ip.parse().unwrap(), prefix_len, tentative: false, duplicate: false }
    }

    fn check(ip: &str, named: &[&str], prefix_len: Option<u8>) -> Result<(String, u8), String> {
        let links = [
            link(1, "lo", true),
            link(2, "eth0", true),
            link(3, "eth1", false),
            link(4, "eth2", true),
            Link { up: false, ..link(5, "eth3", false) },
        ];
        let addresses = [
            own(1, "127.0.0.1", 8),
            own(2, "10.0.0.1", 8),
            own(2, "2001:db8::1", 64),
            own(3, "10.1.0.1", 16),
            own(4, "10.1.0.2", 16),
            own(4, "192.0.2.9", 32),
            own(5, "172.16.0.1", 12),
        ];
        let named: Vec<String> = named.iter().map(|name| (*name).to_owned()).collect();
        let known = Known { links: &links, addresses: &addresses, named: &named, prefix_len };
        place(ip.parse().unwrap(), &known).map(|place| (place.link.name, place.prefix_len))
    }

    fn is(name: &str, prefix_len: u8) -> Result<(String, u8), String> {
        Ok((name.to_owned(), prefix_len))
    }

    #[test]
    fn the_narrowest_subnet_that_holds_the_address_gives_interface_and_prefix() {
        assert_eq!(check("10.2.0.7", &[], None), is("eth0", 8));
        assert_eq!(check("10.1.0.7", &[], None), is("eth2", 16), "eth1 has no carrier");
        assert_eq!(check("2001:db8::7", &[], None), is("eth0", 64));
    }

    #[test]
    fn an_interface_that_is_named_is_taken_and_gives_the_prefix_where_it_can() {
        assert_eq!(check("10.1.0.7", &["eth1"], None), is("eth1", 16));
        assert_eq!(check("10.1.0.7", &["eth0"], Some(24)), is("eth0", 8));
        assert_eq!(check("192.0.2.7", &["eth0", "eth2"], Some(24)), is("eth0", 24));
        assert_eq!(check("2001:db8:1::7", &["eth2"], Some(64)), is("eth2", 64));
    }

    #[test]
    fn an_address_without_a_place_is_refused_with_a_way_out() {
        for (ip, named, prefix_len, wrong) in [
            ("192.0.2.7", &[] as &[&str], Some(24), "name one with Netiflist"),
            ("127.0.0.7", &[], None, "no interface"),
            ("172.16.0.7", &[], None, "no interface"),
            ("192.0.2.7", &["eth0"], None, "Prefix_length"),
            ("192.0.2.7", &["eth0"], Some(64), "the most is 32"),
            ("10.1.0.7", &["eth9"], None, "no interface eth9; it has lo eth0"),
        ] {
            let said = check(ip, named, prefix_len).unwrap_err();
            assert!(said.contains(wrong), "{ip}: {said}");
        }
    }

    #[test]
    fn an_address_that_is_up_already_does_not_choose_its_own_place() {
        assert!(check("192.0.2.9", &[], None).is_err());
    }
}
