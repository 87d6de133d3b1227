//! What is mounted, as proc(5) says in `mountinfo`.

use super::entry::unescape;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A mounted file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Number of the mount.
    pub id: u64,
    /// Number of the mount it lies in.
    pub parent: u64,
    /// Device number, `MAJOR:MINOR`.
    pub device: String,
    /// Where.
    pub dir: PathBuf,
    /// Nothing may be written, by the mount's options or by those of the file system itself.
    pub read_only: bool,
    /// What is mounted.
    pub source: String,
}

/// What this process sees mounted, in the order it was.
pub fn read() -> io::Result<Vec<Mount>> {
    Ok(parse(&fs::read_to_string("/proc/thread-self/mountinfo")?))
}

/// What is seen at a directory: the last that was mounted there.
pub fn at<'a>(mounts: &'a [Mount], dir: &Path) -> Option<&'a Mount> {
    mounts.iter().rfind(|mount| mount.dir == dir)
}

/// Processes, one of each further mount namespace, that see the device mounted, and where.
pub fn elsewhere(device: &str) -> BTreeMap<i32, PathBuf> {
    let own = fs::read_link("/proc/thread-self/ns/mnt").ok();
    let mut seen = vec![own];
    let mut found = BTreeMap::new();
    for pid in super::holders::pids() {
        let namespace = fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
        if namespace.is_none() || seen.contains(&namespace) {
            continue;
        }
        seen.push(namespace);
        let text = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        if let Some(mount) = parse(&text).into_iter().find(|mount| mount.device == device) {
            found.insert(pid, mount.dir);
        }
    }
    found
}

fn parse(text: &str) -> Vec<Mount> {
    text.lines().filter_map(parse_line).collect()
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn parse_line(line: &str) -> Option<Mount> {
    let (own, of_file_system) = line.split_once(" - ")?;
    let mut own = own.split(' ');
    let (id, parent, device) = (own.next()?, own.next()?, own.next()?);
    let (dir, options) = (own.nth(1)?, own.next()?);
    let mut of_file_system = of_file_system.split(' ');
    let (source, super_options) = (of_file_system.nth(1)?, of_file_system.next()?);
    let read_only = [options, super_options].iter().any(|list| list.split(',').any(|word| word == "ro"));
    Some(Mount {
        id: id.parse().ok()?,
        parent: parent.parse().ok()?,
        device: device.to_owned(),
        dir: unescape(dir).into(),
        read_only,
        source: unescape(source),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_the_last_mount_at_a_directory_is_the_one_seen() {
        let text = "36 35 98:0 /mnt1 /ha/my\\040files rw,noatime master:1 shared:2 - ext3 /dev/root rw\n\
                    37 36 0:44 / /ha/my\\040files rw - tmpfs tmpfs ro,size=1k\nnonsense\n";
        let mounts = parse(text);
        assert_eq!(mounts.len(), 2);
        let top = at(&mounts, Path::new("/ha/my files")).unwrap();
        assert_eq!((top.id, top.parent, top.device.as_str(), top.read_only), (37, 36, "0:44", true));
        assert_eq!(mounts[0].source, "/dev/root");
        assert!(!mounts[0].read_only);
    }

    #[test]
    fn the_root_is_mounted() {
        assert!(at(&read().unwrap(), Path::new("/")).is_some());
    }
}
