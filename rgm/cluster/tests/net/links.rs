//! What a link promises.

use crate::kit::{Node, Relay, Site, name, until};
use rgm_cluster::net::{Hub, HubSetup, Identity, LinkSettings, NetEvent};
use std::time::Duration;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::Instant;

#[tokio::test]
async fn messages_of_any_size_arrive_in_their_order_both_ways() {
    let site = Site::new("planets");
    let (mut a, mut b) = site.pair().await;
    let sizes = [0, 1, 5, 16 << 10, 70_000, 3 << 20, 16 << 20, 2];
    let message = |seed: u8, len: usize| vec![seed; len];
    for (seed, len) in (0..).zip(sizes) {
        assert!(a.hub.send(&name("b"), &message(seed, len)));
    }
    for (seed, len) in (0..).zip(sizes) {
        assert!(b.message("a").await == message(seed, len), "{len}");
    }
    for round in 0..2000_u32 {
        assert!(a.hub.send(&name("b"), &round.to_be_bytes()));
        assert!(b.hub.send(&name("a"), &round.to_le_bytes()));
    }
    for round in 0..2000_u32 {
        assert_eq!(b.message("a").await, round.to_be_bytes());
        assert_eq!(a.message("b").await, round.to_le_bytes());
    }
    let queued = || a.link("b").is_some_and(|link| link.queued == 0);
    until(queued, || "the queue is empty when all has arrived".to_owned()).await;
    assert!(a.link("b").is_some_and(|link| link.up && link.heard_ago.is_some()));
}

#[tokio::test]
async fn nodes_that_come_and_go_are_connected_with_each_other_and_nobody_else() {
    let site = Site::new("planets");
    let (mut a, mut b) = site.pair().await;
    let mut c = site.node("c", 7).await;
    c.hub.set_peers(vec![a.peer(), b.peer()]);
    a.hub.set_peers(vec![a.peer(), b.peer(), c.peer()]);
    a.up("c", 7).await;
    c.up("a", 1).await;
    assert!(!b.hub.send(&name("c"), b"who"), "it is no peer of b");
    b.hub.set_peers(vec![a.peer(), c.peer()]);
    b.up("c", 7).await;
    c.up("b", 1).await;
    a.hub.set_peers(vec![b.peer()]);
    assert_eq!(a.down("c").await, "it is no member any more");
    c.down("a").await;
    drop(b);
    a.down("b").await;
    c.down("b").await;
    assert!(!c.hub.send(&name("b"), b"anybody"));
}

#[tokio::test]
async fn a_node_that_comes_back_in_another_life_is_connected_anew() {
    let site = Site::new("planets");
    let (mut a, b) = site.pair().await;
    drop(b);
    a.down("b").await;
    let mut b = site.node("b", 2).await;
    b.hub.set_peers(vec![a.peer()]);
    a.hub.set_peers(vec![b.peer()]);
    a.up("b", 2).await;
    b.up("a", 1).await;
    a.nothing();
}

#[tokio::test]
async fn messages_that_nobody_takes_are_not_read_without_end() {
    let site = Site::new("planets");
    let small = |node| {
        let mut setup = site.setup(node, 1);
        setup.settings.message_len_max = 64 << 10;
        setup.settings.unread_bytes_max = 64 << 10;
        setup.settings.queue_bytes_max = 256 << 10;
        setup
    };
    let (mut a, mut b) = (Node::start(small("a")).await, Node::start(small("b")).await);
    connect(&mut a, &mut b).await;
    let mut sent: u64 = 0;
    while a.hub.send(&name("b"), &[sent.to_be_bytes().as_slice(), &[0; 4000]].concat()) {
        sent += 1;
        assert!(sent < 100_000, "400 MB are kept somewhere");
        tokio::task::yield_now().await;
    }
    let why = a.down("b").await;
    assert!(why.contains("wait to be sent"), "{why}");
    // What has come is there without a gap, and then the end.
    let mut got = 0;
    let why = loop {
        match b.next().await {
            NetEvent::Message { bytes, .. } => assert_eq!(bytes[..8], u64::to_be_bytes(got)),
            NetEvent::Down { why, .. } => break why,
            up @ NetEvent::Up { .. } => panic!("{up:?}"),
        }
        got += 1;
    };
    // What was on its way when the link was broken may have gone with it, or just not.
    assert!(got <= sent, "{why}");
    a.up("b", 1).await;
    b.up("a", 1).await;
    a.send("b", b"again");
    assert_eq!(b.message("a").await, b"again");
}

#[tokio::test]
async fn a_peer_that_falls_silent_is_down_on_both_sides_within_the_limit_and_comes_back() {
    let site = Site::new("planets");
    let (mut a, mut b) = (site.node("a", 1).await, site.node("b", 1).await);
    let relay = Relay::to(b.hub.address()).await;
    a.hub.set_peers(vec![b.peer_at(relay.address)]);
    b.hub.set_peers(vec![a.peer()]);
    a.up("b", 1).await;
    b.up("a", 1).await;
    let stopped = Instant::now();
    relay.stop();
    a.send("b", b"late");
    b.send("a", b"late");
    assert!(a.down("b").await.contains("silent"));
    let seen_by_a = stopped.elapsed();
    assert!(b.down("a").await.contains("silent"));
    let limit = LinkSettings::default().silence;
    for seen in [seen_by_a, stopped.elapsed()] {
        assert!(seen > limit / 2 && seen < limit * 5 / 2, "{seen:?}");
    }
    assert!(!a.hub.send(&name("b"), b"not connected"));
    relay.go_on();
    // What has waited on the way belongs to a connection that is over.
    a.up("b", 1).await;
    b.up("a", 1).await;
    a.send("b", b"new");
    assert_eq!(b.message("a").await, b"new");
    a.nothing();
}

#[tokio::test]
async fn a_link_whose_queue_is_full_is_broken_and_made_anew() {
    let site = Site::new("planets");
    let mut setup = site.setup("a", 1);
    setup.settings.silence = Duration::from_secs(600);
    let (mut a, mut b) = (Node::start(setup).await, site.node("b", 1).await);
    let relay = Relay::to(b.hub.address()).await;
    a.hub.set_peers(vec![b.peer_at(relay.address)]);
    b.hub.set_peers(vec![a.peer()]);
    a.up("b", 1).await;
    b.up("a", 1).await;
    relay.stop();
    let message = vec![0; 1 << 20];
    let sent = (0..1000).take_while(|_| a.hub.send(&name("b"), &message)).count();
    assert!((31..100).contains(&sent), "{sent}");
    assert!(!a.hub.send(&name("b"), b"behind a message that was lost"));
    assert!(a.down("b").await.contains("more than 33554432 bytes wait to be sent to it"));
    relay.go_on();
    a.up("b", 1).await;
    loop {
        match b.next().await {
            NetEvent::Up { .. } => break,
            NetEvent::Message { bytes, .. } => assert_eq!(*bytes, *message),
            NetEvent::Down { .. } => {}
        }
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_breaks_the_link_that_lost_it() {
    let site = Site::new("planets");
    let (mut a, mut b) = site.pair().await;
    assert!(!a.hub.send(&name("b"), &vec![0; (16 << 20) + 1]));
    assert!(a.down("b").await.contains("a message of 16777217 bytes"));
    assert_eq!(b.down("a").await, "it closed the connection");
    a.up("b", 1).await;
    b.up("a", 1).await;
}

#[tokio::test]
async fn when_the_hub_is_dropped_the_links_end_and_the_address_is_free() {
    let site = Site::new("planets");
    let (a, mut b) = site.pair().await;
    let Node { hub, mut events, .. } = a;
    let listen = hub.address();
    drop(hub);
    b.down("a").await;
    while events.recv().await.is_some() {}
    let mut setup = site.setup("a", 2);
    setup.listen = listen;
    Node::start(setup).await;
}

#[tokio::test]
async fn a_hub_that_can_not_work_does_not_start() {
    let site = Site::new("planets");
    let told = async |setup: HubSetup| {
        let error = Hub::start(setup, unbounded_channel().0).await.unwrap_err();
        format!("{:#}", anyhow::Error::from(error))
    };
    let mut setup = site.setup("a", 1);
    setup.me = name("b");
    let why = told(setup).await;
    assert!(why.contains("certificate of O=planets, CN=a, not of node b of cluster planets"), "{why}");
    let mut setup = site.setup("a", 1);
    setup.identity.key = site.identity("b").key;
    let why = told(setup).await;
    assert!(why.contains("a.crt with ") && why.contains("b.key"), "{why}");
    let mut setup = site.setup("a", 1);
    setup.identity.ca = "/no/such/ca.crt".into();
    let why = told(setup).await;
    assert!(why.contains("/no/such/ca.crt"), "{why}");
    let a = site.node("a", 1).await;
    let mut setup = site.setup("a", 1);
    setup.listen = a.hub.address();
    let why = told(setup).await;
    assert!(why.contains(&a.hub.address().to_string()), "{why}");
}

async fn connect(a: &mut Node, b: &mut Node) {
    a.hub.set_peers(vec![b.peer()]);
    b.hub.set_peers(vec![a.peer()]);
    a.up(b.me.as_str(), b.incarnation).await;
    b.up(a.me.as_str(), a.incarnation).await;
}

#[tokio::test]
async fn an_authority_is_exchanged_while_the_links_stay() {
    let (site, next) = (Site::new("planets"), Site::new("planets"));
    let text = |site: &Site, file: &str| std::fs::read(site.dir.path().join(file)).unwrap();
    let (old, new) = (text(&site, "ca.crt"), text(&next, "ca.crt"));
    let both = [new.clone(), old].concat();
    // Each node has files of its own.
    let of_node = |node: &str| {
        let dir = tempfile::tempdir().unwrap();
        let own = site.identity(node);
        let files =
            Identity { ca: dir.path().join("ca"), cert: dir.path().join("crt"), key: dir.path().join("key") };
        for (from, to) in [(&own.ca, &files.ca), (&own.cert, &files.cert), (&own.key, &files.key)] {
            std::fs::copy(from, to).unwrap();
        }
        (dir, files)
    };
    let ((_a_dir, a_files), (_b_dir, b_files)) = (of_node("a"), of_node("b"));
    let started = |node: &str, files: &Identity| {
        Node::start(HubSetup { identity: files.clone(), ..site.setup(node, 1) })
    };
    let (mut a, mut b) = (started("a", &a_files).await, started("b", &b_files).await);
    connect(&mut a, &mut b).await;
    let (a_new, b_new) = (next.identity("a"), next.identity("b"));
    let trust = |files: &Identity, text: &[u8]| std::fs::write(&files.ca, text).unwrap();
    let pair = |files: &Identity, new: &Identity| {
        std::fs::copy(&new.key, &files.key).unwrap();
        std::fs::copy(&new.cert, &files.cert).unwrap();
    };
    let steps: [&dyn Fn(); 6] = [
        &|| trust(&a_files, &both),
        &|| trust(&b_files, &both),
        &|| pair(&a_files, &a_new),
        &|| pair(&b_files, &b_new),
        &|| trust(&a_files, &new),
        &|| trust(&b_files, &new),
    ];
    for step in steps {
        step();
        a.send("b", b"the connection there is stays");
        b.message("a").await;
        a.hub.set_peers(vec![]);
        a.down("b").await;
        b.down("a").await;
        a.hub.set_peers(vec![b.peer()]);
        a.up("b", 1).await;
        b.up("a", 1).await;
    }
}
