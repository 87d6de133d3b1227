//! From the names of `Hostnamelist` to addresses.

use std::fs;
use std::net::{IpAddr, ToSocketAddrs};

/// The file that is asked where the name services are not.
const HOSTS_FILE: &str = "/etc/hosts";

/// Who knows the addresses of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// Whatever nsswitch.conf(5) says.
    Services,
    /// `/etc/hosts` alone.
    HostsFile,
}

/// Every address of a host, each once. The error is a sentence.
pub fn resolve(host: &str, names: Names) -> Result<Vec<IpAddr>, String> {
    let mut found = match (host.parse::<IpAddr>(), names) {
        (Ok(ip), _) => vec![ip],
        (Err(_), Names::Services) => ask_services(host)?,
        (Err(_), Names::HostsFile) => {
            let text = fs::read_to_string(HOSTS_FILE).map_err(|error| format!("{HOSTS_FILE}: {error}"))?;
            in_hosts(&text, host)
        }
    };
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        return Err(format!(
            "{host} has no address in {HOSTS_FILE}; add it on every node, or give the address itself"
        ));
    }
    found.iter().try_for_each(|ip| usable(host, *ip))?;
    Ok(found)
}

fn ask_services(host: &str) -> Result<Vec<IpAddr>, String> {
    let found = (host, 0).to_socket_addrs();
    found.map(|all| all.map(|addr| addr.ip()).collect()).map_err(|error| {
        format!("{host} can't be resolved: {error}; add it to {HOSTS_FILE} on every node, or give the address itself")
    })
}

fn in_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let of_host = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let ip = words.next()?.parse().ok()?;
        words.any(|name| name.eq_ignore_ascii_case(host)).then_some(ip)
    });
    of_host.collect()
}

/// Can one host of a subnet have it, for others to reach?
fn usable(host: &str, ip: IpAddr) -> Result<(), String> {
    let kind = match ip {
        _ if ip.is_loopback() => "a loopback address",
        _ if ip.is_unspecified() => "no address of a host",
        _ if ip.is_multicast() => "a multicast address",
        IpAddr::V4(ip) if ip.is_broadcast() => "the broadcast address",
        IpAddr::V6(ip) if ip.is_unicast_link_local() => "valid on one link only",
        IpAddr::V4(_) | IpAddr::V6(_) => return Ok(()),
    };
    Err(format!("{host} is {ip}, which is {kind}; no logical hostname can be that"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_every_address_that_the_hosts_file_gives_it() {
        let text =
            "127.0.0.1 localhost\n192.0.2.7\tNfs-lh nfs # 192.0.2.8 nfs\n2001:db8::7 nfs-lh\nnonsense\n";
        let ips = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect::<Vec<IpAddr>>();
        assert_eq!(in_hosts(text, "nfs-lh"), ips(&["192.0.2.7", "2001:db8::7"]));
        assert_eq!(in_hosts(text, "nfs"), ips(&["192.0.2.7"]));
        assert_eq!(in_hosts(text, "other"), ips(&[]));
    }

    #[test]
    fn an_address_is_itself_and_one_that_no_host_can_have_is_refused() {
        assert_eq!(resolve("192.0.2.7", Names::Services), Ok(vec!["192.0.2.7".parse().unwrap()]));
        for (host, wrong) in [
            ("127.0.0.2", "loopback"),
            ("0.0.0.0", "no address of a host"),
            ("224.0.0.1", "multicast"),
            ("255.255.255.255", "broadcast"),
            ("fe80::1", "one link"),
            ("ff02::1", "multicast"),
        ] {
            let said = resolve(host, Names::Services).unwrap_err();
            assert!(said.contains(wrong), "{said}");
        }
    }

    #[test]
    fn a_name_that_nobody_knows_is_refused_with_a_way_out() {
        for names in [Names::Services, Names::HostsFile] {
            let said = resolve("no-such-host.invalid", names).unwrap_err();
            assert!(
                said.contains("/etc/hosts on every node") || said.contains("add it on every node"),
                "{said}"
            );
        }
    }
}
