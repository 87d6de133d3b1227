//! How long a message and its answer take over a link, beside the same over bare TCP.
//!
//! `cargo run --release -p rgm-cluster --example round_trip [ROUNDS]`

use anyhow::{Context, Result};
use rgm_cluster::cert;
use rgm_cluster::net::{Hub, HubSetup, Identity, LinkSettings, NetEvent, Peer};
use rgm_types::NodeName;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const LENS: [usize; 3] = [100, 10_000, 1_000_000];

fn main() -> Result<()> {
    let rounds = std::env::args().nth(1).map_or(Ok(2000), |text| text.parse())?;
    let dir = tempfile::tempdir()?;
    cert::init(dir.path(), "planets")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    println!(
        "{:>9}  {:>12} {:>12}  {:>12} {:>12}",
        "bytes", "TCP median", "TCP 99 %", "link median", "link 99 %"
    );
    for len in LENS {
        let rounds = if len > 100_000 { rounds / 10 } else { rounds };
        let bare = bare(len, rounds)?;
        let link = runtime.block_on(link(dir.path(), len, rounds))?;
        println!(
            "{len:>9}  {:>12?} {:>12?}  {:>12?} {:>12?}",
            at(&bare, 50),
            at(&bare, 99),
            at(&link, 50),
            at(&link, 99)
        );
    }
    Ok(())
}

/// So many of a hundred are faster.
fn at(times: &[Duration], percent: usize) -> Duration {
    times.get(times.len() * percent / 100).copied().unwrap_or_default()
}

/// Two threads, each with its end of a connection.
fn bare(len: usize, rounds: usize) -> Result<Vec<Duration>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut near = TcpStream::connect(listener.local_addr()?)?;
    let (mut far, _) = listener.accept()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let answers = std::thread::spawn(move || -> Result<()> {
        let mut message = vec![0; len];
        for _ in 0..rounds {
            far.read_exact(&mut message)?;
            far.write_all(&message)?;
        }
        Ok(())
    });
    let mut message = vec![0; len];
    let mut times = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        near.write_all(&message)?;
        near.read_exact(&mut message)?;
        times.push(begun.elapsed());
    }
    answers.join().ok().context("the other thread failed")??;
    times.sort_unstable();
    Ok(times)
}

/// Two hubs. The one that answers does so in a task beside.
async fn link(dir: &Path, len: usize, rounds: usize) -> Result<Vec<Duration>> {
    let (a, mut a_events) = hub(dir, "a").await?;
    let (b, mut b_events) = hub(dir, "b").await?;
    let peer = |node: &str, hub: &Hub| -> Result<Peer> {
        Ok(Peer { node: NodeName::new(node)?, address: hub.address().to_string(), incarnation: 1 })
    };
    a.set_peers(vec![peer("b", &b)?]);
    b.set_peers(vec![peer("a", &a)?]);
    let (to_a, to_b) = (NodeName::new("a")?, NodeName::new("b")?);
    let answers = std::thread::spawn(move || {
        while let Some(event) = b_events.blocking_recv() {
            if let NetEvent::Message { bytes, .. } = event {
                b.send(&to_a, &bytes);
            }
        }
    });
    let message = vec![0; len];
    let mut times = Vec::new();
    while !matches!(a_events.recv().await.context("no link")?, NetEvent::Up { .. }) {}
    for _ in 0..rounds {
        let begun = Instant::now();
        a.send(&to_b, &message);
        while !matches!(a_events.recv().await.context("no link")?, NetEvent::Message { .. }) {}
        times.push(begun.elapsed());
    }
    drop((a, answers));
    times.sort_unstable();
    Ok(times)
}

async fn hub(dir: &Path, node: &str) -> Result<(Hub, UnboundedReceiver<NetEvent>)> {
    let path = |end: &str| dir.join(format!("{node}.{end}"));
    cert::issue(dir, &NodeName::new(node)?, &[], 1)?;
    let (sender, events) = unbounded_channel();
    let setup = HubSetup {
        cluster: "planets".to_owned(),
        me: NodeName::new(node)?,
        incarnation: 1,
        listen: ([127, 0, 0, 1], 0).into(),
        identity: Identity { ca: dir.join("ca.crt"), cert: path("crt"), key: path("key") },
        settings: LinkSettings::default(),
        asides: tokio::sync::mpsc::unbounded_channel().0,
    };
    Ok((Hub::start(setup, sender).await?, events))
}
