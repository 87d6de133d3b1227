//! The name service as its clients see it.

use crate::run;
use crate::wait::Waiter;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The one address clients ask, whichever node serves.
pub const ADDRESS: &str = "127.0.0.1";
/// What they ask for, and what they must be told.
pub const QUESTION: &str = "www.example.test";
pub const ANSWER: &str = "192.0.2.80";

/// Where the service is asked.
pub struct Dns {
    port: u16,
}

impl Dns {
    /// A port that is free, for both protocols of DNS.
    pub fn choose_port() -> Result<Self> {
        for _ in 0..100 {
            let tcp = TcpListener::bind((ADDRESS, 0)).with_context(|| format!("no port at {ADDRESS}"))?;
            let port = tcp.local_addr()?.port();
            if UdpSocket::bind((ADDRESS, port)).is_ok() {
                return Ok(Self { port });
            }
        }
        anyhow::bail!("no port at {ADDRESS} is free for both TCP and UDP")
    }

    /// Makes the sample's named.conf listen there.
    pub fn adapt(&self, named_conf: &Path) -> Result<()> {
        let text = fs::read_to_string(named_conf)?;
        let adapted = text.replace("listen-on port 53 ", &format!("listen-on port {} ", self.port));
        ensure!(adapted != text, "{}: no listen-on port 53", named_conf.display());
        Ok(fs::write(named_conf, adapted)?)
    }

    /// The question, as it would be typed.
    pub fn question(&self) -> String {
        format!("dig @{ADDRESS} -p {} {QUESTION}", self.port)
    }

    /// Asked once: is it the right answer?
    pub fn answers(&self) -> Result<bool> {
        let mut dig = Command::new("dig");
        dig.arg(format!("@{ADDRESS}")).args(["-p", &self.port.to_string(), QUESTION, "A"]);
        dig.args(["+short", "+time=1", "+tries=1"]);
        Ok(run::output(&mut dig)?.stdout.trim_ascii() == ANSWER.as_bytes())
    }

    /// Asked until the right answer comes.
    pub fn wait_for_answer(&self, waiter: &Waiter, limit: Duration) -> Result<String> {
        waiter.until(&format!("the answer to {}", self.question()), limit, || {
            Ok(self.answers()?.then(|| format!("{QUESTION} is {ANSWER}")))
        })
    }
}
