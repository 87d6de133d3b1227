//! `SUNW.LogicalHostname` on real interfaces, in a network of its own.

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;
use rgm_tests::kit::leftovers::send;
use rgm_tests::kit::mounts::NOTHING;
use rgm_tests::kit::networks::Network;
use rgm_tests::kit::{DevCluster, agents, until};
use rgm_types::GroupState::{Offline, Online, OnlineFaulted};
use std::fs;

const TYPE: &str = "SUNW.LogicalHostname";
const NETIFS: &str = "Netiflist=pub0@phys-1,pub1@phys-2";

/// Plays a scene in a cluster that knows the type, in a network.
fn play(scene: impl FnOnce(&mut DevCluster, &Network) -> Result<()> + Send) -> Result<()> {
    Network::play(|network| {
        DevCluster::prepare()?.run_through(|c| {
            c.ok(&format!("scrgadm -a -t {TYPE}"))?;
            c.ok("scrgadm -a -g g -h phys-1,phys-2")?;
            scene(c, network)
        })
    })
}

/// The command line that creates the resource.
fn creation(hosts: &str, more: &str) -> String {
    format!("scrgadm -a -j lh -t {TYPE} -g g -x Hostnamelist={hosts} -x {NETIFS} {more}")
}

/// Creates the resource, and brings it online on the first node.
fn bring_online(c: &DevCluster, hosts: &str, more: &str) -> Result<()> {
    c.ok(&creation(hosts, more))?;
    c.ok("scswitch -Z -g g")?;
    c.expect("g", [Online, Offline])
}

/// Waits until the status of the resource on a node says so.
fn wait_for_status(c: &DevCluster, node: &str, status: &str, message: &str) -> Result<()> {
    until(&format!("the status on {node} is {status}, {message}"), || {
        let said = c.on(node, "scha_resource_get -O STATUS -R lh -G g")?.ok()?;
        Ok((said.starts_with(status) && said.contains(message)).then_some(()))
    })
    .map_err(|error| match c.on(node, "scha_resource_get -O STATUS -R lh -G g") {
        Ok(said) => error.context(said.out),
        Err(more) => error.context(more),
    })
}

#[test]
fn addresses_come_move_with_the_group_and_go_and_the_neighbours_learn_it() -> Result<()> {
    play(|c, net| {
        bring_online(c, "192.0.2.50,2001:db8::50", "")?;
        let [first, second] = [net.mac("pub0")?, net.mac("pub1")?];
        for ip in ["192.0.2.50", "2001:db8::50"] {
            assert_eq!(net.holders(ip)?, ["pub0"]);
            assert!(net.is_reached(ip)?, "{ip}");
            assert_eq!(net.known_to_neighbour(ip)?.as_ref(), Some(&first));
        }
        c.ok("scswitch -z -g g -h phys-2")?;
        for ip in ["192.0.2.50", "2001:db8::50"] {
            assert_eq!(net.holders(ip)?, ["pub1"]);
            until("the neighbour is told, and did not ask", || {
                Ok((net.known_to_neighbour(ip)?.as_ref() == Some(&second)).then_some(()))
            })?;
        }
        c.ok("scswitch -F -g g")?;
        for ip in ["192.0.2.50", "2001:db8::50"] {
            assert!(net.holders(ip)?.is_empty());
        }
        Ok(())
    })
}

#[test]
fn an_address_that_somebody_takes_away_is_put_back_a_few_times_and_then_moves() -> Result<()> {
    play(|c, net| {
        bring_online(c, "192.0.2.50,2001:db8::50", "-y Retry_count=2")?;
        wait_for_status(c, "phys-1", "OK", "LogicalHostname online.")?;
        for ip in ["192.0.2.50/24", "2001:db8::50/64"] {
            net.here(&format!("ip addr del {ip} dev pub0"))?;
            let plain = ip.split('/').next().unwrap_or_default();
            until("it is back", || Ok((net.holders(plain)? == ["pub0"]).then_some(())))?;
            wait_for_status(c, "phys-1", "OK", "LogicalHostname online.")?;
        }
        assert!(c.log()?.contains("somebody has taken 192.0.2.50 from pub0; putting it back"));
        net.here("ip addr del 192.0.2.50/24 dev pub0")?;
        c.wait_for("g", [Offline, Online])?;
        assert_eq!(net.holders("192.0.2.50")?, ["pub1"]);
        assert_eq!(net.holders("2001:db8::50")?, ["pub1"]);
        Ok(())
    })
}

#[test]
fn a_link_that_stays_down_moves_the_group_and_one_that_comes_back_does_not() -> Result<()> {
    play(|c, net| {
        bring_online(c, "192.0.2.50", "-x Link_down_timeout=600")?;
        wait_for_status(c, "phys-1", "OK", "LogicalHostname online.")?;
        net.there("ip link set port0 down")?;
        wait_for_status(c, "phys-1", "DEGRADED", "pub0 has no carrier; waiting 600 s")?;
        net.there("ip link set port0 up")?;
        wait_for_status(c, "phys-1", "OK", "LogicalHostname online.")?;
        c.expect("g", [Online, Offline])?;
        c.ok("scrgadm -c -j lh -x Link_down_timeout=0")?;
        net.there("ip link set port0 down")?;
        c.wait_for("g", [Offline, Online])?;
        assert_eq!(net.holders("192.0.2.50")?, ["pub1"]);
        assert!(net.is_reached("192.0.2.50")?);
        Ok(())
    })
}

#[test]
fn where_no_other_node_has_a_link_the_addresses_stay_and_the_status_says_so() -> Result<()> {
    play(|c, net| {
        bring_online(c, "192.0.2.50", "-x Link_down_timeout=0 -y Thorough_probe_interval=1")?;
        net.there("ip link set port1 down")?;
        net.there("ip link set port0 down")?;
        wait_for_status(c, "phys-1", "FAULTED", "no other node")?;
        c.expect("g", [OnlineFaulted, Offline])?;
        assert_eq!(net.holders("192.0.2.50")?, ["pub0"]);
        net.there("ip link set port1 up")?;
        c.wait_for("g", [Offline, Online])?;
        assert_eq!(net.holders("192.0.2.50")?, ["pub1"]);
        Ok(())
    })
}

#[test]
fn an_address_that_another_host_has_is_refused_before_it_harms_anybody() -> Result<()> {
    play(|c, net| {
        for (ip, taken) in [("192.0.2.60", "192.0.2.60/24"), ("2001:db8::60", "2001:db8::60/64")] {
            net.there(&format!("ip addr add {taken} dev lan nodad"))?;
            let said = c.refused(10, &creation(ip, ""))?;
            assert!(said.contains(&format!("{ip} is in use by")), "{said}");
            net.there(&format!("ip addr del {taken} dev lan"))?;
        }
        c.ok(&creation("192.0.2.60", ""))?;
        net.there("ip addr add 192.0.2.60/24 dev lan")?;
        assert_ne!(c.run("scswitch -Z -g g")?.code, 0);
        assert!(net.holders("192.0.2.60")?.is_empty());
        assert!(c.log()?.contains("192.0.2.60 is in use by"));
        net.there("ip addr del 192.0.2.60/24 dev lan")?;
        c.ok("scswitch -R -h phys-1 -g g")?;
        assert_eq!(net.holders("192.0.2.60")?.len(), 1);
        Ok(())
    })
}

#[test]
fn an_address_that_the_administrator_has_put_up_is_never_touched() -> Result<()> {
    play(|c, net| {
        c.ok(&creation("192.0.2.50", "-y Failover_mode=NONE"))?;
        net.here("ip addr add 192.0.2.50/24 dev pub0")?;
        assert_ne!(c.run("scswitch -z -g g -h phys-1")?.code, 0);
        c.ok("scswitch -o -g g")?;
        c.ok("scswitch -e -j lh")?;
        c.run("scswitch -z -g g -h phys-1")?;
        c.expect("g", [OnlineFaulted, Offline])?;
        assert!(c.log()?.contains("192.0.2.50 is on pub0 of this node already, and not by this resource"));
        c.ok("scswitch -F -g g")?;
        assert_eq!(net.holders("192.0.2.50")?, ["pub0"]);
        Ok(())
    })
}

#[test]
fn addresses_outlive_the_daemons_and_are_taken_away_by_those_that_come_back() -> Result<()> {
    play(|c, net| {
        bring_online(c, "192.0.2.50", "")?;
        let record = c.dir().join("run/phys-1/lh.addresses");
        assert!(record.is_file());
        c.kill_rgmd()?;
        c.kill_pmfd_alone("phys-1")?;
        assert_eq!(net.holders("192.0.2.50")?, ["pub0"]);
        c.start()?;
        c.expect("g", [Online, Offline])?;
        assert!(net.is_reached("192.0.2.50")?);
        c.ok("scswitch -F -g g")?;
        assert!(net.holders("192.0.2.50")?.is_empty());
        assert!(!record.exists());
        Ok(())
    })
}

#[test]
fn a_start_that_is_killed_half_way_leaves_no_address() -> Result<()> {
    play(|c, net| {
        // While nobody answers on the link the kernel asks for the IPv6 address, and START waits.
        fs::write("/proc/sys/net/ipv6/conf/pub0/dad_transmits", "100")?;
        c.ok(&creation("192.0.2.50,2001:db8::50", "-y Failover_mode=SOFT"))?;
        let switch = c.begin("scswitch -Z -g g")?;
        until("the first address is up", || Ok((!net.holders("192.0.2.50")?.is_empty()).then_some(())))?;
        let pid = until("START runs", || Ok(pid_of("hafoip_start")))?;
        send(pid, Signal::SIGKILL)?;
        switch.end()?;
        c.wait_for("g", [Offline, Online])?;
        assert_eq!(net.holders("192.0.2.50")?, ["pub1"]);
        assert_eq!(net.holders("2001:db8::50")?, ["pub1"]);
        Ok(())
    })
}

#[test]
fn two_resources_in_a_subnet_of_their_own_go_one_by_one() -> Result<()> {
    play(|c, net| {
        c.ok(&creation("198.51.100.1", "-x Prefix_length=24"))?;
        c.ok(&creation("198.51.100.2", "-x Prefix_length=24").replace("-j lh", "-j other"))?;
        c.ok("scswitch -Z -g g")?;
        let both = |net: &Network| {
            Ok::<_, anyhow::Error>([net.holders("198.51.100.1")?, net.holders("198.51.100.2")?])
        };
        assert_eq!(both(net)?, [vec!["pub0"], vec!["pub0"]]);
        c.ok("scswitch -n -j lh")?;
        assert_eq!(both(net)?, [vec![], vec!["pub0"]]);
        c.ok("scswitch -e -j lh")?;
        c.ok("scswitch -n -j other")?;
        assert_eq!(both(net)?, [vec!["pub0"], vec![]]);
        Ok(())
    })
}

#[test]
fn names_and_interfaces_that_do_not_fit_are_refused_and_names_of_the_hosts_file_are_known() -> Result<()> {
    play(|c, net| {
        let hosts = c.dir().join("hosts");
        fs::write(&hosts, "127.0.0.1 localhost\n192.0.2.51 nfs-lh\n192.0.2.51 twice\n")?;
        mount(Some(&hosts), "/etc/hosts", NOTHING, MsFlags::MS_BIND, NOTHING)?;
        let create = |more: &str| format!("scrgadm -a -j lh -t {TYPE} -g g {more}");
        for (more, wrong) in [
            (
                "-x Hostnamelist=no-such-host -x CheckNameService=FALSE",
                "no-such-host has no address in /etc/hosts",
            ),
            ("-x Hostnamelist=localhost -x CheckNameService=FALSE", "loopback"),
            ("-x Hostnamelist=192.0.2.51,twice", "twice is 192.0.2.51, which is there already"),
            ("-x Hostnamelist=198.51.100.1", "no interface of this node has a subnet with 198.51.100.1"),
            ("-x Hostnamelist=192.0.2.51 -x Netiflist=pub9@phys-1,pub1@phys-2", "no interface pub9"),
            ("-x Hostnamelist=192.0.2.51 -x Netiflist=pub0@phys-1", "no interface of node phys-2"),
            ("-x Hostnamelist=198.51.100.1 -x Netiflist=pub0@1,pub1@2", "Prefix_length"),
            (
                "-x Hostnamelist=192.0.2.11 -x Netiflist=pub0@1,pub1@2",
                "192.0.2.11 is on pub0 of this node already",
            ),
        ] {
            let said = c.refused(10, &create(more))?;
            assert!(said.contains(wrong), "{more}: {said}");
        }
        bring_online(c, "nfs-lh", "-x CheckNameService=FALSE")?;
        assert_eq!(net.holders("192.0.2.51")?, ["pub0"]);
        Ok(())
    })
}

#[test]
fn the_examples_of_the_page_on_logical_hostnames_run_as_they_stand() -> Result<()> {
    Network::play(|_| DevCluster::play(|c| agents::run_examples(c, "logical-hostname.md")))
}

/// A process of that name, as its first word has it.
fn pid_of(name: &str) -> Option<u32> {
    let pids = fs::read_dir("/proc").ok()?.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok());
    let called = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let own = fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let first = line.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        String::from_utf8_lossy(&first).ends_with(name)
            && own == fs::read_link("/proc/thread-self/ns/net").ok()
    };
    pids.into_iter().find(called)
}
