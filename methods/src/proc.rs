//! What /proc says about a process.

use std::fs;

/// The parts of `/proc/PID/stat` that are needed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: i32,
    pub(crate) comm: String,
    pub(crate) state: char,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    /// When it was started, in ticks since boot.
    pub(crate) start_ticks: u64,
}

/// Ticks per second in `/proc`: 100 on every architecture we know, whatever the kernel ticks with.
pub(crate) const TICKS_PER_SEC: u64 = 100;

/// `None` if there is no such process any more.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(&String::from_utf8_lossy(&text))
}

/// A process, all its descendants, and the members of its process group, parents before children.
/// Where no cgroup holds them this is all that can be found: who was orphaned in a group of its own
/// is missing.
pub(crate) fn family(root: i32) -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return vec![root] };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let all: Vec<Stat> = numbers.filter_map(stat).collect();
    let mut members = vec![root];
    members.extend(all.iter().filter(|one| one.group == root && one.pid != root).map(|one| one.pid));
    let mut next = 0;
    while let Some(parent) = members.get(next).copied() {
        next += 1;
        for child in all.iter().filter(|one| one.parent == parent) {
            if !members.contains(&child.pid) {
                members.push(child.pid);
            }
        }
    }
    members
}

/// The name stands in parentheses and may hold blanks and parentheses itself.
fn parse(text: &str) -> Option<Stat> {
    let (pid, rest) = text.split_once(" (")?;
    let (comm, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    Some(Stat {
        pid: pid.parse().ok()?,
        comm: comm.to_string(),
        state: fields.next()?.chars().next()?,
        parent: fields.next()?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
        start_ticks: fields.nth(16)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_is_read() {
        let text = "42 (a) b (c) S 7 41 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 0 0\n";
        let expected =
            Stat { pid: 42, comm: "a) b (c".into(), state: 'S', parent: 7, group: 41, start_ticks: 12345 };
        assert_eq!(parse(text), Some(expected));
        assert_eq!(parse("garbage"), None);
    }

    #[test]
    fn a_child_is_family() {
        let mut child = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(stat(pid).unwrap().parent, own);
        assert!(family(own).contains(&pid));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
