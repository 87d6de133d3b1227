//! What pmfd must know again after it was killed.
//!
//! One file of JSON lines; of each tag the last line counts. A line is written before the act it
//! announces (see `pmf_core::Action`), in one `write`, so a kill at any moment leaves whole lines and
//! perhaps a torn last one, which announced an act that did not happen. Nothing is synced: the file
//! need not survive the machine, for the processes do not either, and the boot id tells.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use pmf_core::Tag;
use rgm_api::pmf::{Event, Job, Text};
use serde::{Deserialize, Serialize};

use crate::place::Place;

/// A tag as it is written down.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedTag {
    /// Its state.
    pub tag: Tag,
    /// Where its processes are.
    pub place: Place,
    /// Where those of its action program are.
    pub action_place: Option<Place>,
    /// Its command as a process: number and start.
    pub main: Option<(i32, u64)>,
    /// What it runs; only in its first line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<Spec>,
}

/// What a tag runs, and with whose rights.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    /// As requested.
    pub job: Job,
    /// User of the requester.
    pub uid: u32,
    /// Group of the requester.
    pub gid: u32,
    /// Supplementary groups of the requester.
    pub groups: Vec<u32>,
}

/// All that was written down.
#[derive(Debug, Default)]
pub struct Saved {
    /// Root of the cgroups then in use.
    pub cgroup_root: Option<PathBuf>,
    /// Tags by name, each with its spec.
    pub tags: BTreeMap<String, SavedTag>,
    /// Events that nobody has acknowledged.
    pub pending: BTreeMap<u64, Event>,
    /// Highest number of an event.
    pub last_seq: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// The first one.
    Begin {
        version: u32,
        boot_id: String,
        cgroup_root: Option<Text>,
        last_seq: u64,
    },
    Tag(Box<SavedTag>),
    Gone {
        name: String,
        exceeded: Option<Event>,
    },
    Pending(Event),
    Acknowledged {
        seq: u64,
    },
}

/// The open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
    compact_above: u64,
}

const VERSION: u32 = 1;
/// The journal is written anew when it has grown by itself and this much.
const SLACK_BYTES: u64 = 1 << 20;

impl Journal {
    /// Reads what the last pmfd of this boot has left.
    pub fn load(path: &Path) -> io::Result<Saved> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Saved::default()),
            other => other?,
        };
        let mut lines = text.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let Some(Ok(Line::Begin { version: VERSION, boot_id, cgroup_root, last_seq })) =
            lines.next().map(serde_json::from_slice)
        else {
            return Ok(Saved::default());
        };
        if boot_id != current_boot_id() {
            return Ok(Saved::default());
        }
        let cgroup_root = cgroup_root.map(|path| PathBuf::from(path.as_os_str()));
        let mut saved = Saved { cgroup_root, last_seq, ..Saved::default() };
        for line in lines {
            match serde_json::from_slice(line) {
                Ok(line) => saved.apply(line),
                Err(error) => tracing::warn!("{}: a line is unreadable: {error}", path.display()),
            }
        }
        saved.tags.retain(|_, tag| tag.spec.is_some());
        Ok(saved)
    }

    /// Writes a new journal with nothing but this in it.
    pub fn create(path: &Path, saved: &Saved) -> io::Result<Self> {
        let new = path.with_extension("new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new().append(true).create_new(true).open(&new)?;
        restrict(&file)?;
        let mut text = Vec::new();
        let begin = Line::Begin {
            version: VERSION,
            boot_id: current_boot_id(),
            cgroup_root: saved.cgroup_root.clone().map(|path| Text::from(path.into_os_string())),
            last_seq: saved.last_seq,
        };
        append(&mut text, &begin)?;
        for tag in saved.tags.values() {
            append(&mut text, &Line::Tag(Box::new(tag.clone())))?;
        }
        for event in saved.pending.values() {
            append(&mut text, &Line::Pending(event.clone()))?;
        }
        file.write_all(&text)?;
        fs::rename(&new, path)?;
        let bytes = text.len() as u64;
        Ok(Self { path: path.to_owned(), file, bytes, compact_above: bytes * 2 + SLACK_BYTES })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is time to write it anew.
    pub fn is_long(&self) -> bool {
        self.bytes > self.compact_above
    }

    /// Writes a tag down.
    pub fn save(&mut self, tag: SavedTag) -> io::Result<()> {
        self.write(&Line::Tag(Box::new(tag)))
    }

    /// Strikes a tag out, and in the same stroke notes that it failed too often.
    pub fn strike(&mut self, name: &str, exceeded: Option<Event>) -> io::Result<()> {
        self.write(&Line::Gone { name: name.to_owned(), exceeded })
    }

    /// Notes that an event has been taken care of.
    pub fn acknowledge(&mut self, seq: u64) -> io::Result<()> {
        self.write(&Line::Acknowledged { seq })
    }

    /// Removes the file: nothing is left to remember.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = Vec::with_capacity(512);
        append(&mut text, line)?;
        if let Err(error) = self.file.write_all(&text) {
            // A torn line must not swallow the next one.
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        self.bytes += text.len() as u64;
        Ok(())
    }
}

impl Saved {
    fn apply(&mut self, line: Line) {
        match line {
            Line::Begin { .. } => {}
            Line::Tag(mut tag) => {
                let name = tag.tag.name.clone();
                if tag.spec.is_none() {
                    tag.spec = self.tags.remove(&name).and_then(|before| before.spec);
                }
                self.tags.insert(name, *tag);
            }
            Line::Gone { name, exceeded } => {
                self.tags.remove(&name);
                if let Some(event) = exceeded {
                    self.apply(Line::Pending(event));
                }
            }
            Line::Pending(event) => {
                self.last_seq = self.last_seq.max(event.seq);
                self.pending.insert(event.seq, event);
            }
            Line::Acknowledged { seq } => {
                self.pending.remove(&seq);
            }
        }
    }
}

fn append(text: &mut Vec<u8>, line: &Line) -> io::Result<()> {
    text.extend(serde_json::to_vec(line).map_err(io::Error::other)?);
    text.push(b'\n');
    Ok(())
}

/// Environments may hold secrets of their owners.
fn restrict(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

/// The kernel's name of this boot.
pub fn current_boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pmf_core::{Phase, Policy};

    fn tag(name: &str, restarts: u64, spec: bool) -> SavedTag {
        let job = Job {
            argv: vec!["/bin/true".into()],
            cwd: "/".into(),
            search_path: None,
            inherit_env: false,
            env: Vec::new(),
            action: None,
            retries: 1,
            period_min: 1,
            level: None,
            owner: None,
        };
        SavedTag {
            tag: Tag {
                name: name.into(),
                token: 1,
                uid: 0,
                policy: Policy::new(1, 1).unwrap(),
                has_action: false,
                phase: Phase::Running,
                stopping: false,
                failures: Vec::new(),
                restarts,
                revived: None,
            },
            place: serde_json::from_str(r#"{"tag_hash":1,"number":1,"session":0}"#).unwrap(),
            action_place: None,
            main: None,
            spec: spec.then(|| Spec { job, uid: 0, gid: 0, groups: Vec::new() }),
        }
    }

    fn exceeded(seq: u64) -> Event {
        Event { seq, tag: "a".into(), owner: None, kind: rgm_api::pmf::Kind::Exceeded }
    }

    #[test]
    fn the_last_line_of_a_tag_counts_and_keeps_what_it_runs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let mut journal = Journal::create(&path, &Saved::default()).unwrap();
        journal.save(tag("a", 0, true)).unwrap();
        journal.save(tag("a", 5, false)).unwrap();
        journal.save(tag("b", 0, true)).unwrap();
        journal.strike("b", Some(exceeded(9))).unwrap();
        let saved = Journal::load(&path).unwrap();
        assert_eq!(saved.tags.keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(saved.tags["a"].tag.restarts, 5);
        assert!(saved.tags["a"].spec.is_some());
        assert_eq!(saved.pending.into_values().collect::<Vec<_>>(), [exceeded(9)]);
        assert_eq!(saved.last_seq, 9);
        journal.acknowledge(9).unwrap();
        assert!(Journal::load(&path).unwrap().pending.is_empty());
    }

    #[test]
    fn a_journal_cut_off_anywhere_is_read_up_to_the_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        let mut journal = Journal::create(&path, &Saved::default()).unwrap();
        let begin = fs::metadata(&path).unwrap().len();
        journal.save(tag("a", 0, true)).unwrap();
        let first = fs::metadata(&path).unwrap().len();
        journal.save(tag("b", 0, true)).unwrap();
        let text = fs::read(&path).unwrap();
        for cut in (0..text.len()).step_by(7) {
            fs::write(&path, &text[..cut]).unwrap();
            let tags = Journal::load(&path).unwrap().tags.len();
            let cut = cut as u64;
            assert_eq!(tags, usize::from(cut >= first), "cut at {cut} of {begin}, {first}");
        }
    }

    #[test]
    fn a_journal_of_another_boot_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("j");
        Journal::create(&path, &Saved::default()).unwrap().save(tag("a", 0, true)).unwrap();
        let text = fs::read_to_string(&path).unwrap().replace(&current_boot_id(), "another-boot");
        fs::write(&path, text).unwrap();
        assert!(Journal::load(&path).unwrap().tags.is_empty());
    }
}
