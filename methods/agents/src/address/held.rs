//! Putting addresses up and taking them away: only those on the record of the resource.

use super::choose::Place;
use super::netlink::{Address, Link, Netlink, News};
use super::rivals;
use super::wanted::cannot_look;
use crate::Failed;
use crate::log::Log;
use crate::record::Record;
use nix::libc::{EADDRNOTAVAIL, EEXIST, ENODEV, ENXIO};
use std::fs;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// How long the kernel may ask the neighbours about an IPv6 address: with its defaults it takes one
/// to two seconds.
const DAD_LIMIT: Duration = Duration::from_secs(10);

/// An address that this resource has put up, or was about to. pmfd reads the record, too: where the
/// cluster has given the node up, it takes the addresses down.
pub use rgm_api::pmf::HeldAddress as Held;

impl From<&Place> for Held {
    fn from(place: &Place) -> Self {
        let Place { ip, prefix_len, link } = place;
        Self { ip: *ip, prefix_len: *prefix_len, netif: link.name.clone(), index: link.index }
    }
}

/// May the addresses come here? Each interface can send, and nobody has the address: neither this
/// machine, the resource itself apart, nor, if `ask`, a neighbour.
pub fn check(places: &[Place], held: &[Held], netlink: &mut Netlink, ask: bool) -> Result<(), Failed> {
    places.iter().try_for_each(|place| can_send(&place.link))?;
    let links = netlink.links().map_err(|error| cannot_look(&error))?;
    let addresses = netlink.addresses().map_err(|error| cannot_look(&error))?;
    for place in places {
        let ours =
            |address: &Address| held.iter().any(|held| held.ip == address.ip && held.index == address.index);
        if let Some(other) = addresses.iter().find(|one| one.ip == place.ip && !ours(one)) {
            let on = links.iter().find(|link| link.index == other.index).map_or("?", |link| &link.name);
            return Err(Failed::new(format!(
                "{} is on {on} of this node already, and not by this resource; take it away there",
                place.ip
            )));
        }
    }
    if ask { nobody_else(places, &addresses) } else { Ok(()) }
}

/// Puts the addresses up, and tells the neighbours.
pub fn put_up(places: &[Place], record: &Record, log: &Log) -> Result<(), Failed> {
    let mut netlink = Netlink::open().map_err(|error| cannot_look(&error))?;
    let mut held: Vec<Held> = record.load()?;
    check(places, &held, &mut netlink, false)?;
    held.retain(|old| !places.iter().any(|place| place.ip == old.ip && place.link.index == old.index));
    held.extend(places.iter().map(Held::from));
    record.save(&held)?;
    let news = News::open().map_err(|error| cannot_look(&error))?;
    for place in places {
        keep_neighbours_of(place, log);
        add(&mut netlink, place)?;
    }
    for place in places {
        wait_until_ours(&mut netlink, &news, place)?;
        announce(&place.link, place.ip, log);
        log.notice(&format!("{}/{} is up on {}", place.ip, place.prefix_len, place.link.name));
    }
    Ok(())
}

/// Takes away what is on the record, wherever it still is.
pub fn take_away(record: &Record, log: &Log) -> Result<(), Failed> {
    let held: Vec<Held> = record.load()?;
    if held.is_empty() {
        return Ok(());
    }
    let mut netlink = Netlink::open().map_err(|error| cannot_look(&error))?;
    for Held { ip, prefix_len, netif, index } in &held {
        match netlink.remove(*index, *ip, *prefix_len) {
            Ok(()) => log.notice(&format!("{ip}/{prefix_len} is taken off {netif}")),
            Err(error) if is_gone(&error) => {}
            Err(error) => return Err(Failed::new(format!("cannot take {ip} off {netif}: {error}"))),
        }
    }
    record.save::<Held>(&[])
}

/// Tells the neighbours that the address is here. It is no failure if that is not possible: they
/// learn it later.
pub fn announce(link: &Link, ip: IpAddr, log: &Log) {
    if let Err(error) = rivals::announce(link, ip) {
        log.warning(&format!("cannot tell the neighbours on {} that {ip} is here: {error}", link.name));
    }
}

/// The error names what is wrong with the interface.
pub fn can_send(link: &Link) -> Result<(), Failed> {
    match (link.up, link.carrier) {
        (false, _) => Err(Failed::new(format!("{0} is down; ip link set {0} up", link.name))),
        (true, false) => Err(Failed::new(format!("{} has no carrier; look at cable and switch", link.name))),
        (true, true) => Ok(()),
    }
}

/// Asks on the wire, for all addresses that are not up here at the same time.
fn nobody_else(places: &[Place], addresses: &[Address]) -> Result<(), Failed> {
    let asked = places.iter().filter(|place| addresses.iter().all(|address| address.ip != place.ip));
    std::thread::scope(|scope| {
        let threads: Vec<_> = asked.map(|place| scope.spawn(move || nobody_has(place))).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().unwrap_or_else(|_| Err(Failed::new("a question to the neighbours ended early")))
        })
    })
}

/// The error names who has the address.
pub fn nobody_has(place: &Place) -> Result<(), Failed> {
    let Place { ip, link, .. } = place;
    match rivals::find(place) {
        Ok(None) => Ok(()),
        Ok(Some(mac)) => Err(Failed::new(format!(
            "{ip} is in use by {} on the network of {}; find that host and take it away there",
            rivals::mac_text(mac),
            link.name
        ))),
        Err(error) => Err(Failed::new(format!("cannot ask on {} who has {ip}: {error}", link.name))),
    }
}

/// Puts one address up; that it is there already is fine, for [`check`] has looked whose it is.
pub fn add(netlink: &mut Netlink, place: &Place) -> Result<(), Failed> {
    let Place { ip, prefix_len, link } = place;
    match netlink.add(link.index, *ip, *prefix_len) {
        Err(error) if error.raw_os_error() != Some(EEXIST) => {
            Err(Failed::new(format!("cannot put {ip}/{prefix_len} on {}: {error}", link.name)))
        }
        _ => Ok(()),
    }
}

/// Waits until the kernel has asked the neighbours about an IPv6 address.
pub fn wait_until_ours(netlink: &mut Netlink, news: &News, place: &Place) -> Result<(), Failed> {
    let Place { ip, link, .. } = place;
    let end = Instant::now() + DAD_LIMIT;
    loop {
        news.drain().map_err(|error| cannot_look(&error))?;
        let addresses = netlink.addresses().map_err(|error| cannot_look(&error))?;
        match addresses.iter().find(|one| one.ip == *ip && one.index == link.index) {
            Some(address) if address.duplicate => {
                return Err(Failed::new(format!(
                    "{ip} is in use by another host on the network of {}; find it and take it away there",
                    link.name
                )));
            }
            Some(address) if address.tentative => {}
            Some(_) => return Ok(()),
            None => return Err(Failed::new(format!("{ip} was taken off {} at once", link.name))),
        }
        if !rivals::wait(news.as_fd(), end).map_err(|error| cannot_look(&error))? {
            return Err(Failed::new(format!(
                "the kernel did not learn within {} s whether a neighbour of {} has {ip}",
                DAD_LIMIT.as_secs(),
                link.name
            )));
        }
    }
}

/// When the first IPv4 address of a subnet is taken away the kernel takes the others with it, unless
/// it is told to promote them.
fn keep_neighbours_of(place: &Place, log: &Log) {
    let netif = &place.link.name;
    let file = format!("/proc/sys/net/ipv4/conf/{netif}/promote_secondaries");
    if place.ip.is_ipv4()
        && let Err(error) = fs::write(&file, "1")
    {
        log.warning(&format!("cannot set {file}: {error}; other addresses may go when this one does"));
    }
}

fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(EADDRNOTAVAIL | ENODEV | ENXIO))
}
