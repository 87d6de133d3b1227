//! ACME.beat: a data service whose application swears by its heartbeat where it runs, and when.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

const RTR: &str = r#"
RESOURCE_TYPE = "beat"; VENDOR_ID = ACME; RT_VERSION = "1"; FAILOVER = TRUE;
RT_BASEDIR = HOME/beat;
START = start; STOP = stop;
{ PROPERTY = Start_timeout; MIN = 1; DEFAULT = 30; }
{ PROPERTY = Stop_timeout; MIN = 1; DEFAULT = 30; }
{ PROPERTY = Retry_count; MIN = -1; DEFAULT = 3; TUNABLE = ANYTIME; }
{ PROPERTY = Retry_interval; MIN = 1; DEFAULT = 300; TUNABLE = ANYTIME; }
{ PROPERTY = Note; EXTENSION; STRING; DEFAULT = ""; TUNABLE = ANYTIME; DESCRIPTION = "anything"; }
"#;

// Where each node is a machine its run directory tells which one.
const START: &str = r#"#!/bin/sh
machine=${RGM_RUN_DIR%/run}
node=${RGM_NODE:-${machine##*/}}
ready=HOME/$2.$node.ready
[ -p "$ready" ] || mkfifo "$ready"
exec 3<>"$ready"
pmfadm -c "$2.svc" -n 3 -t 5 HOME/bin/acme-beat "$2" HOME "$node" || exit 1
read -r answer <&3
"#;

const STOP: &str = r#"#!/bin/sh
if [ -f HOME/told/$2.stop ]; then . HOME/told/$2.stop; fi
if pmfadm -q "$2.svc"; then
    pmfadm -s "$2.svc" -w 20 TERM || pmfadm -s "$2.svc" -w -1 KILL || exit 1
fi
"#;

/// One beat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// Where.
    pub node: String,
    /// Which process.
    pub pid: u32,
    /// When it began, as `at_us`.
    pub begun_us: u64,
    /// When, microseconds of `CLOCK_BOOTTIME`.
    pub at_us: u64,
}

/// A time in which it ran nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// The last beat before.
    pub from: Beat,
    /// The first one behind it.
    pub to: Beat,
}

impl Beat {
    /// What tells one process from all others.
    pub fn life(&self) -> (u32, u64) {
        (self.pid, self.begun_us)
    }
}

impl Outage {
    /// How long.
    pub fn span(&self) -> Duration {
        Duration::from_micros(self.to.at_us.saturating_sub(self.from.at_us))
    }
}

/// Writes its methods and registration file, where a Tick was installed. STOP first does what stands in
/// `told/RESOURCE.stop`, if there is such a file.
pub fn install(dir: &Path) -> Result<()> {
    let home = dir.to_string_lossy();
    fs::create_dir_all(dir.join("beat"))?;
    for (name, text) in [("start", START), ("stop", STOP)] {
        let file = dir.join("beat").join(name);
        fs::write(&file, text.replace("HOME", &home))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    }
    Ok(fs::write(dir.join("rtreg/ACME.beat"), RTR.replace("HOME", &home))?)
}

/// The file of a resource's beats.
#[derive(Debug, Clone)]
pub struct Beats(PathBuf);

impl Beats {
    /// Of this resource.
    pub fn of(dir: &Path, resource: &str) -> Self {
        Self(dir.join(format!("{resource}.beat")))
    }

    /// All of them, in the order in which they were written.
    pub fn all(&self) -> Result<Vec<Beat>> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| parse(line).with_context(|| format!("{}: {line}", self.0.display())))
            .collect()
    }

    /// Lives that came between, one for each process, in their order; an error if two of them ever
    /// ran at the same time.
    pub fn changes(&self) -> Result<Vec<Outage>> {
        let beats = self.all()?;
        let changes = beats.windows(2).filter_map(|pair| match pair {
            [from, to] if from.life() != to.life() => Some(Outage { from: from.clone(), to: to.clone() }),
            _ => None,
        });
        let changes: Vec<Outage> = changes.collect();
        for (number, change) in changes.iter().enumerate() {
            let again = changes.iter().take(number).any(|earlier| earlier.from.life() == change.to.life());
            ensure!(!again, "two at once: {:?} beats again behind {:?}", change.to, change.from);
            let apart = change.from.at_us <= change.to.begun_us;
            ensure!(apart, "two at once: {:?} began before the last beat of {:?}", change.to, change.from);
        }
        Ok(changes)
    }
}

/// Reads a line of such a file.
pub fn parse(line: &str) -> Result<Beat> {
    let mut words = line.split(' ');
    let mut word = || words.next().context("too few words");
    Ok(Beat {
        node: word()?.to_owned(),
        pid: word()?.parse()?,
        begun_us: word()?.parse()?,
        at_us: word()?.parse()?,
    })
}
