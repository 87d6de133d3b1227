//! What a fault monitor of addresses makes of what it sees: pure, time is an argument.

use super::held::Held;
use super::netlink::{Address, Link};
use std::collections::BTreeMap;
use std::time::Duration;

/// Is the address where it was put?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It is up on an interface that can send.
    Well,
    /// Its interface can't send; the reason.
    NoLink(String),
    /// Its interface is there, the address is not.
    Taken,
    /// Another host has it.
    Duplicate,
}

/// What the resource's properties say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// `Link_down_timeout`: how long an interface may be unable to send.
    pub link_wait: Duration,
    /// `Retry_count`: how often an address is put back within `Retry_interval`.
    pub retry_count: i64,
    /// `Retry_interval`.
    pub retry_interval: Duration,
    /// `Thorough_probe_interval`: between two looks, and between two giveovers asked for.
    pub interval: Duration,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Well,
    /// Neighbours are to be told anew: the interface could not send for a while.
    Back,
    /// These addresses are to be put back.
    PutBack(Vec<Held>, String),
    /// It may mend by itself; look again after so long.
    Wait(String, Duration),
    /// This node can't have the addresses.
    GiveOver(String),
}

/// What it remembers between two looks; moments are counted from its beginning.
#[derive(Debug, Default)]
pub struct Judge {
    /// Since when a link has been down.
    down_since: Option<Duration>,
    /// When addresses were put back.
    put_back: Vec<Duration>,
}

/// How it is with each address.
pub fn look(held: &[Held], links: &[Link], addresses: &[Address]) -> Vec<(Held, Finding)> {
    let by_name: BTreeMap<&str, &Link> = links.iter().map(|link| (link.name.as_str(), link)).collect();
    let finding = |held: &Held| match by_name.get(held.netif.as_str()) {
        None => Finding::NoLink(format!("{} is gone", held.netif)),
        Some(link) if !link.up => Finding::NoLink(format!("{} is down", held.netif)),
        Some(link) if !link.carrier => Finding::NoLink(format!("{} has no carrier", held.netif)),
        Some(link) => match addresses.iter().find(|one| one.ip == held.ip && one.index == link.index) {
            None => Finding::Taken,
            Some(address) if address.duplicate => Finding::Duplicate,
            Some(_) => Finding::Well,
        },
    };
    held.iter().map(|held| (held.clone(), finding(held))).collect()
}

impl Judge {
    /// What is to be done about it.
    pub fn weigh(&mut self, now: Duration, findings: &[(Held, Finding)], policy: Policy) -> Verdict {
        if let Some((held, _)) = findings.iter().find(|(_, finding)| *finding == Finding::Duplicate) {
            return Verdict::GiveOver(format!("another host has {} as well", held.ip));
        }
        let down = findings.iter().find_map(|(_, finding)| match finding {
            Finding::NoLink(why) => Some(why),
            Finding::Well | Finding::Taken | Finding::Duplicate => None,
        });
        if let Some(why) = down {
            return self.weigh_down(now, why, policy);
        }
        let was_down = self.down_since.take().is_some();
        let taken: Vec<Held> = findings
            .iter()
            .filter(|(_, finding)| *finding == Finding::Taken)
            .map(|(held, _)| held.clone())
            .collect();
        match (taken.is_empty(), was_down) {
            (true, true) => Verdict::Back,
            (true, false) => Verdict::Well,
            (false, _) => self.weigh_taken(now, taken, policy),
        }
    }

    fn weigh_down(&mut self, now: Duration, why: &str, policy: Policy) -> Verdict {
        let since = *self.down_since.get_or_insert(now);
        match policy.link_wait.checked_sub(now.saturating_sub(since)) {
            Some(left) if !left.is_zero() => Verdict::Wait(why.to_owned(), left),
            _ if policy.link_wait.is_zero() => Verdict::GiveOver(why.to_owned()),
            _ => Verdict::GiveOver(format!("{why} for {} s", policy.link_wait.as_secs())),
        }
    }

    fn weigh_taken(&mut self, now: Duration, taken: Vec<Held>, policy: Policy) -> Verdict {
        let ips: Vec<String> = taken.iter().map(|held| format!("{} from {}", held.ip, held.netif)).collect();
        let what = format!("somebody has taken {}", ips.join(", "));
        self.put_back.retain(|then| now.saturating_sub(*then) < policy.retry_interval);
        let times = self.put_back.len();
        let unlimited = policy.retry_count < 0;
        if !unlimited && i64::try_from(times).is_ok_and(|times| times >= policy.retry_count) {
            let interval = policy.retry_interval.as_secs();
            return Verdict::GiveOver(format!("{what}; put back {times} times within {interval} s already"));
        }
        self.put_back.push(now);
        Verdict::PutBack(taken, what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        link_wait: Duration::from_secs(5),
        retry_count: 2,
        retry_interval: Duration::from_secs(300),
        interval: Duration::from_secs(60),
    };

    fn held(ip: &str) -> Held {
        Held { ip: ip.parse().unwrap(), prefix_len: 24, netif: "eth0".into(), index: 2 }
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn one(finding: Finding) -> Vec<(Held, Finding)> {
        vec![(held("192.0.2.7"), finding)]
    }

    #[test]
    fn an_address_is_looked_for_on_its_interface_whatever_number_that_has_by_now() {
        let link =
            |index, up, carrier| Link { index, name: "eth0".into(), up, carrier, loopback: false, mac: None };
        let address = |index, duplicate| Address {
            index,
            ip: "192.0.2.7".parse().unwrap(),
            prefix_len: 24,
            tentative: false,
            duplicate,
        };
        let no_link = |why: &str| Finding::NoLink(why.into());
        for (links, addresses, expected) in [
            (vec![link(2, true, true)], vec![address(2, false)], Finding::Well),
            (vec![link(9, true, true)], vec![address(9, false)], Finding::Well),
            (vec![link(2, true, true)], vec![address(3, false)], Finding::Taken),
            (vec![link(2, true, true)], vec![address(2, true)], Finding::Duplicate),
            (vec![link(2, true, false)], vec![address(2, false)], no_link("eth0 has no carrier")),
            (vec![link(2, false, false)], vec![address(2, false)], no_link("eth0 is down")),
            (vec![], vec![], no_link("eth0 is gone")),
        ] {
            assert_eq!(look(&[held("192.0.2.7")], &links, &addresses), one(expected));
        }
    }

    #[test]
    fn a_link_may_be_down_for_a_while_and_the_neighbours_are_told_when_it_is_back() {
        let mut judge = Judge::default();
        let down = one(Finding::NoLink("eth0 has no carrier".into()));
        let wait = |left| Verdict::Wait("eth0 has no carrier".into(), left);
        assert_eq!(judge.weigh(secs(10), &down, POLICY), wait(secs(5)));
        assert_eq!(judge.weigh(secs(13), &down, POLICY), wait(secs(2)));
        assert_eq!(judge.weigh(secs(14), &one(Finding::Well), POLICY), Verdict::Back);
        assert_eq!(judge.weigh(secs(15), &one(Finding::Well), POLICY), Verdict::Well);
        assert_eq!(judge.weigh(secs(20), &down, POLICY), wait(secs(5)), "the wait begins anew");
        assert!(
            matches!(judge.weigh(secs(25), &down, POLICY), Verdict::GiveOver(why) if why.contains("5 s"))
        );
        assert!(matches!(judge.weigh(secs(90), &down, POLICY), Verdict::GiveOver(_)), "until it is back");
    }

    #[test]
    fn an_address_that_is_taken_again_and_again_is_given_over() {
        let mut judge = Judge::default();
        let taken = one(Finding::Taken);
        assert!(
            matches!(judge.weigh(secs(0), &taken, POLICY), Verdict::PutBack(list, _) if list == [held("192.0.2.7")])
        );
        assert!(matches!(judge.weigh(secs(1), &taken, POLICY), Verdict::PutBack(..)));
        assert!(
            matches!(judge.weigh(secs(2), &taken, POLICY), Verdict::GiveOver(why) if why.contains("2 times"))
        );
        assert!(matches!(judge.weigh(secs(301), &taken, POLICY), Verdict::PutBack(..)), "that is long ago");
        let for_ever = Policy { retry_count: -1, ..POLICY };
        for second in 302..310 {
            assert!(matches!(judge.weigh(secs(second), &taken, for_ever), Verdict::PutBack(..)));
        }
    }

    #[test]
    fn an_address_that_another_host_has_is_given_over_at_once() {
        let verdict = Judge::default().weigh(secs(0), &one(Finding::Duplicate), POLICY);
        assert!(matches!(verdict, Verdict::GiveOver(why) if why.contains("192.0.2.7")));
    }
}
