//! Who does not get in, and what is said about it.

use crate::kit::{Node, PATIENCE, Site, Stranger, issue_ended, keep_log, logged, name, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Each is told of the other.
fn introduce(a: &Node, b: &Node) {
    a.hub.set_peers(vec![b.peer()]);
    b.hub.set_peers(vec![a.peer()]);
}

async fn both_up(a: &mut Node, b: &mut Node) {
    a.up(b.me.as_str(), b.incarnation).await;
    b.up(a.me.as_str(), a.incarnation).await;
}

async fn log_says(words: &[&str]) {
    let said = || logged().lines().any(|line| words.iter().all(|word| line.contains(word)));
    until(said, || format!("{words:?} is not in: {}", logged())).await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_by_both_sides() {
    keep_log();
    let (site, other) = (Site::new("ours"), Site::new("ours"));
    let (mut a, mut b) = (site.node("a", 1).await, other.node("b", 1).await);
    introduce(&a, &b);
    a.down_because("b", "an authority that is not trusted here").await;
    // One-sided: only one of them has learnt to trust the other's authority.
    let both = [&site, &other].map(|s| std::fs::read(s.dir.path().join("ca.crt")).unwrap()).concat();
    std::fs::write(site.dir.path().join("ca.crt"), &both).unwrap();
    a.down_because("b", "it refuses this node's certificate: another authority signed it").await;
    log_says(&["WARN", "connection refused", "127.0.0.1 with a certificate of O=ours, CN=a", "not trusted"])
        .await;
    std::fs::write(other.dir.path().join("ca.crt"), &both).unwrap();
    both_up(&mut a, &mut b).await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused_and_a_new_one_is_taken_without_a_restart() {
    keep_log();
    let site = Site::new("expiring");
    issue_ended(site.dir.path(), "expiring", "a");
    let (mut a, mut b) = (site.node("a", 1).await, site.node("b", 1).await);
    introduce(&a, &b);
    a.down_because("b", "it refuses this node's certificate: it has expired").await;
    log_says(&["connection refused", "O=expiring, CN=a", "has expired, at 2020-02-01T00:00:00Z"]).await;
    log_says(&["ERROR", "a certificate has expired", "a.crt", "2020-02-01"]).await;
    rgm_cluster::cert::issue(site.dir.path(), &name("a"), &[], 90).unwrap();
    both_up(&mut a, &mut b).await;
    issue_ended(site.dir.path(), "expiring", "b");
    drop(a);
    b.down("a").await;
    let mut a = site.node("a", 2).await;
    introduce(&a, &b);
    a.down_because("b", "its certificate has expired, at 2020-02-01T00:00:00Z").await;
    a.nothing();
}

#[tokio::test]
async fn a_node_of_another_cluster_is_refused_even_if_its_authority_is_trusted() {
    keep_log();
    let (site, other) = (Site::new("planets"), Site::new("stars"));
    let both = [&site, &other].map(|s| std::fs::read(s.dir.path().join("ca.crt")).unwrap()).concat();
    for site in [&site, &other] {
        std::fs::write(site.dir.path().join("ca.crt"), &both).unwrap();
    }
    let (a, mut b) = (other.node("a", 1).await, site.node("b", 1).await);
    introduce(&a, &b);
    a.down_because("b", "its certificate is of cluster stars, not of cluster planets").await;
    log_says(&["connection refused", "O=stars, CN=a", "not of cluster planets"]).await;
    // It has a certificate of ours, and still belongs elsewhere.
    let mut stranger = Stranger::connect(&site.identity("a"), &b).await;
    stranger.hello(1, "stars", "a", 1).await;
    assert_eq!(stranger.heard().await, (2, "it belongs to cluster stars, not to cluster planets".to_owned()));
    b.nothing();
}

#[tokio::test]
async fn a_node_that_claims_a_name_that_is_not_its_own_is_refused() {
    let site = Site::new("planets");
    let (mut a, mut b) = (site.node("a", 1).await, site.node("b", 1).await);
    introduce(&a, &b);
    both_up(&mut a, &mut b).await;
    for (identity, claimed, why) in [
        ("c", "a", "it says that it is node a, but its certificate is that of node c"),
        ("b", "b", "it says that it is node b, which is this node itself"),
    ] {
        let mut stranger = Stranger::connect(&site.identity(identity), &b).await;
        stranger.hello(1, "planets", claimed, 1).await;
        assert_eq!(stranger.heard().await, (2, why.to_owned()));
    }
    a.nothing();
    b.nothing();
}

#[tokio::test]
async fn a_node_that_answers_under_an_address_of_another_is_refused() {
    let site = Site::new("planets");
    let (a, mut c) = (site.node("a", 1).await, site.node("c", 1).await);
    let mut wrong = c.peer();
    wrong.node = name("b");
    a.hub.set_peers(vec![wrong]);
    c.hub.set_peers(vec![a.peer()]);
    a.down_because("b", "it is node c, where node b was expected: an address is wrong").await;
    c.nothing();
}

#[tokio::test]
async fn a_node_that_is_no_peer_is_refused_until_it_is_one() {
    keep_log();
    let site = Site::new("members");
    let (mut a, mut b) = (site.node("a", 1).await, site.node("b", 1).await);
    a.hub.set_peers(vec![b.peer()]);
    a.down_because("b", "it refuses this node: node a is not a member of this cluster now").await;
    log_says(&["INFO", "connection refused", "O=members, CN=a", "not a member"]).await;
    b.nothing();
    b.hub.set_peers(vec![a.peer()]);
    both_up(&mut a, &mut b).await;
}

#[tokio::test]
async fn only_the_life_of_a_node_that_is_known_is_let_in() {
    let site = Site::new("planets");
    let (mut a, mut b) = (site.node("a", 5).await, site.node("b", 1).await);
    introduce(&a, &b);
    let mut peer = a.peer();
    for (known, why) in [
        (6, "its incarnation 5 of node a is over: 6 is known"),
        (4, "its incarnation 5 of node a is not known yet: 4 is"),
    ] {
        peer.incarnation = known;
        b.hub.set_peers(vec![peer.clone()]);
        a.down_because("b", why).await;
    }
    drop((a.events.try_recv(), b.events.try_recv()));
}

#[tokio::test]
async fn a_second_node_under_the_name_of_a_live_one_is_refused_and_does_not_disturb_it() {
    let site = Site::new("planets");
    let (mut a, mut b) = (site.node("a", 1).await, site.node("b", 1).await);
    introduce(&a, &b);
    both_up(&mut a, &mut b).await;
    for incarnation in [0, 2] {
        let mut second = site.node("a", incarnation).await;
        second.hub.set_peers(vec![b.peer()]);
        second.down_because("b", &format!("its incarnation {incarnation} of node a")).await;
        second.nothing();
    }
    a.send("b", b"still here");
    assert_eq!(b.message("a").await, b"still here");
    a.nothing();
}

#[tokio::test]
async fn a_new_connection_of_the_same_life_takes_the_place_of_the_old_one() {
    let site = Site::new("planets");
    let (mut a, mut b) = (site.node("a", 1).await, site.node("b", 1).await);
    introduce(&a, &b);
    both_up(&mut a, &mut b).await;
    let mut newer = Stranger::connect(&site.identity("a"), &b).await;
    newer.hello(1, "planets", "a", 1).await;
    assert_eq!(newer.heard().await.0, 1);
    newer.frame(3, b"").await;
    assert_eq!(b.down("a").await, "it made a new connection");
    b.up("a", 1).await;
    assert_eq!(a.down("b").await, "it closed the connection");
}

#[tokio::test]
async fn a_program_of_another_format_is_told_so_and_one_that_dials_out_of_turn_too() {
    let site = Site::new("planets");
    let (a, b) = (site.node("a", 1).await, site.node("b", 1).await);
    b.hub.set_peers(vec![a.peer()]);
    let mut newer = Stranger::connect(&site.identity("a"), &b).await;
    newer.hello(2, "planets", "a", 1).await;
    let why = "it speaks formats 2 to 2, and this node 1 to 1: upgrade the older one";
    assert_eq!(newer.heard().await, (2, why.to_owned()));
    a.hub.set_peers(vec![b.peer()]);
    until(|| a.link("b").is_some(), || "b is a peer".to_owned()).await;
    let mut greater = Stranger::connect(&site.identity("b"), &a).await;
    greater.hello(1, "planets", "b", 1).await;
    let (kind, why) = greater.heard().await;
    assert!(kind == 2 && why.contains("the greater one"), "{why}");
}

#[tokio::test]
async fn whatever_else_is_said_ends_the_connection_and_nothing_more() {
    keep_log();
    let site = Site::new("garbage");
    let (mut a, mut b) = (site.node("a", 1).await, site.node("b", 1).await);
    let mut plain = TcpStream::connect(b.hub.address()).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    while let Ok(1..) = timeout(PATIENCE, plain.read(&mut [0; 64])).await.unwrap() {}
    log_says(&["connection refused", "127.0.0.1", "it does not speak TLS"]).await;
    introduce(&a, &b);
    both_up(&mut a, &mut b).await;
    // Before the hello.
    for (kind, payload) in [(1, &b"no hello"[..]), (4, b""), (5, b"message"), (9, b"?"), (1, &[b' '; 5000])] {
        let mut stranger = Stranger::connect(&site.identity("a"), &b).await;
        stranger.frame(kind, payload).await;
        stranger.closed().await;
    }
    a.send("b", b"as if nothing were");
    assert_eq!(b.message("a").await, b"as if nothing were");
    // Behind it.
    drop(a);
    b.down("a").await;
    for (head, why) in [
        (&[255, 255, 255, 255, 5][..], "it sent a frame of 4294967295 bytes; 16777216 are allowed"),
        (&[0, 0, 0, 1, 77, 0], "it sent a frame of the unknown kind 77"),
        (&[0, 0, 0, 0, 3], "it sent a Welcome frame in the middle"),
    ] {
        let mut evil = Stranger::connect(&site.identity("a"), &b).await;
        evil.hello(1, "garbage", "a", 1).await;
        assert_eq!(evil.heard().await.0, 1);
        evil.frame(3, b"").await;
        evil.stream.write_all(head).await.unwrap();
        evil.stream.flush().await.unwrap();
        b.up("a", 1).await;
        assert_eq!(b.down("a").await, why);
    }
}

#[tokio::test]
async fn a_storm_of_strangers_keeps_no_member_out_and_breaks_no_link() {
    let site = Site::new("planets");
    let (mut a, mut c) = (site.node("a", 1).await, site.node("c", 1).await);
    introduce(&a, &c);
    both_up(&mut a, &mut c).await;
    let target = c.hub.address();
    let storm = tokio::spawn(async move {
        let mut held = std::collections::VecDeque::new();
        loop {
            if let Ok(stranger) = TcpStream::connect(target).await {
                held.push_back(stranger);
            }
            if held.len() > 300 {
                held.pop_front();
            }
        }
    });
    let mut b = site.node("b", 1).await;
    b.hub.set_peers(vec![c.peer()]);
    c.hub.set_peers(vec![a.peer(), b.peer()]);
    b.up("c", 1).await;
    c.up("b", 1).await;
    storm.abort();
    a.send("c", b"still here");
    assert_eq!(c.message("a").await, b"still here");
}

#[tokio::test]
async fn strangers_who_say_nothing_are_sent_away() {
    let site = Site::new("planets");
    let mut setup = site.setup("a", 1);
    setup.settings.handshake = std::time::Duration::from_millis(50);
    let a = Node::start(setup).await;
    let mut stranger = TcpStream::connect(a.hub.address()).await.unwrap();
    let read = timeout(PATIENCE, stranger.read(&mut [0; 64])).await.unwrap();
    assert!(!matches!(read, Ok(1..)));
}

#[tokio::test]
async fn strangers_beyond_a_number_take_the_place_of_the_oldest_and_a_member_still_gets_in() {
    let site = Site::new("planets");
    let mut setup = site.setup("b", 1);
    setup.settings.handshake = 2 * PATIENCE;
    let mut b = Node::start(setup).await;
    let mut strangers = Vec::new();
    for _ in 0..150 {
        strangers.push(TcpStream::connect(b.hub.address()).await.unwrap());
    }
    let read = timeout(PATIENCE, strangers[0].read(&mut [0; 64])).await.unwrap();
    assert!(!matches!(read, Ok(1..)));
    let mut a = site.node("a", 1).await;
    introduce(&a, &b);
    both_up(&mut a, &mut b).await;
    let held = strangers.last().unwrap().try_read(&mut [0; 64]).unwrap_err();
    assert_eq!(held.kind(), std::io::ErrorKind::WouldBlock, "the youngest may still say who it is");
}

#[tokio::test]
async fn the_same_refusal_is_logged_once() {
    keep_log();
    let (site, other) = (Site::new("noisy"), Site::new("noisy"));
    let b = other.node("b", 1).await;
    let trusted = [&site, &other].map(|s| std::fs::read(s.dir.path().join("ca.crt")).unwrap()).concat();
    std::fs::write(site.dir.path().join("ca.crt"), trusted).unwrap();
    for node in ["a", "a", "a", "c"] {
        Stranger::connect(&site.identity(node), &b).await.closed().await;
    }
    log_says(&["O=noisy, CN=c"]).await;
    let said = logged().lines().filter(|line| line.contains("O=noisy, CN=a")).count();
    assert_eq!(said, 1, "{}", logged());
}
