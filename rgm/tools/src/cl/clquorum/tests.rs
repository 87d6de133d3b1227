use super::*;
use rgm_api::rgm::President;

fn life(left: Option<u64>) -> Life {
    Life {
        incarnation: 1_795_333_089_123,
        address: "10.77.0.11:7433".to_owned(),
        version: "0.1.0".to_owned(),
        ttl: Millis(5000),
        left: left.map(Millis),
        parked: false,
        evicted: false,
    }
}

fn link(up: bool, why: Option<&str>, ahead_ms: Option<i64>) -> Option<LinkView> {
    let why_down = why.map(str::to_owned);
    Some(LinkView { up, lasts: Millis(200_400), silent: None, why_down, ahead_ms })
}

fn member(node: &str, life: Option<Life>, link: Option<LinkView>) -> Member {
    Member { node: node.to_owned(), life, link }
}

fn voter(name: &str, answers: bool, leads: bool) -> Voter {
    Voter { name: name.to_owned(), votes: true, answers, leads }
}

fn endpoint(number: u64, leader: u64, errors: &[&str]) -> Endpoint {
    let errors = errors.iter().map(|error| (*error).to_owned()).collect();
    let (version, db_size) = ("3.4.23".to_owned(), 20_480);
    let health = Some(Health { member: number, version, leader, db_size, revision: 42, errors });
    Endpoint { url: format!("http://10.77.0.1{number}:2379"), health, why_silent: None }
}

fn silent(number: u64) -> Endpoint {
    let why_silent = Some("no answer in time".to_owned());
    Endpoint { health: None, why_silent, ..endpoint(number, 0, &[]) }
}

fn quorum() -> Quorum {
    Quorum {
        cluster: "planets".to_owned(),
        seen_by: "phys-1".to_owned(),
        from_etcd: true,
        president: Some(President { node: "phys-2".to_owned(), epoch: 57 }),
        deadline: Some(Millis(3100)),
        members: vec![
            member("phys-1", Some(life(Some(4000))), None),
            member("phys-2", Some(life(Some(3000))), link(true, None, Some(-1250))),
            member("phys-3", None, link(false, Some("it was silent for 1s"), None)),
        ],
        endpoints: vec![endpoint(1, 2, &[]), endpoint(2, 2, &["NOSPACE"]), silent(3)],
        voters: vec![
            voter("phys-1", true, false),
            voter("phys-2", true, true),
            voter("phys-3", false, false),
        ],
        ..Quorum::default()
    }
}

#[test]
fn votes_stand_where_the_reference_has_them_and_the_rest_below() {
    insta::assert_snapshot!("status", text(&quorum()));
}

#[test]
fn what_an_operator_needs_without_etcd_is_shown() {
    let mut alone = Quorum {
        from_etcd: false,
        president: None,
        fail_safe: Some(Millis(61_000)),
        endpoints: vec![endpoint(1, 0, &[]), silent(2), silent(3)],
        ..quorum()
    };
    alone.members[1].life = Some(Life { parked: true, ..life(None) });
    alone.members[2].life = Some(Life { evicted: true, ..life(None) });
    alone.voters.iter_mut().skip(1).for_each(|voter| voter.answers = false);
    alone.waits_for = Some("etcd does not answer".to_owned());
    insta::assert_snapshot!("status_without_etcd", text(&alone));
}
