//! What `FilesystemMountPoints` asks for: pure.

use std::path::{Component, Path, PathBuf};

/// A file system that is to be mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// As mount(8) takes it: a path, `LABEL=…`, `UUID=…`, or whatever the type understands.
    pub device: String,
    /// Where.
    pub dir: PathBuf,
    /// Its type; `auto` where mount(8) is to find out.
    pub kind: String,
    /// Options, joined by commas.
    pub options: String,
}

/// Understands every element: a directory that `fstab` knows, or `DEVICE:DIR:TYPE:OPTIONS` with the
/// options joined by `+`, for a comma would end the element. The error is a sentence.
pub fn parse(
    elements: &[&str],
    fstab: impl Fn() -> Result<String, String>,
) -> Result<Vec<FileSystem>, String> {
    let mut found: Vec<FileSystem> = Vec::new();
    for element in elements {
        let file_system =
            if element.contains(':') { own_form(element)? } else { look_up(element, &fstab()?)? };
        check_dir(&file_system.dir)?;
        if found.iter().any(|other| other.dir == file_system.dir) {
            return Err(format!("{} is there twice", file_system.dir.display()));
        }
        found.push(file_system);
    }
    Ok(found)
}

fn own_form(element: &str) -> Result<FileSystem, String> {
    // From the right: the device of a network file system has a colon of its own.
    let mut parts = element.rsplitn(4, ':');
    let (Some(options), Some(kind), Some(dir), Some(device)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(format!(
            "{element} is neither a directory of the file system table nor DEVICE:DIR:TYPE:OPTIONS"
        ));
    };
    if device.is_empty() || kind.is_empty() {
        return Err(format!("{element} lacks its device or its type; it is DEVICE:DIR:TYPE:OPTIONS"));
    }
    let options = if options.is_empty() { "defaults".to_owned() } else { options.replace('+', ",") };
    Ok(FileSystem { device: device.to_owned(), dir: dir.into(), kind: kind.to_owned(), options })
}

/// The line of fstab(5) for a directory.
fn look_up(dir: &str, fstab: &str) -> Result<FileSystem, String> {
    let lines = fstab.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut entries = lines.filter_map(|line| {
        let mut fields = line.split_whitespace().map(unescape);
        let (device, on) = (fields.next()?, fields.next()?);
        let (kind, options) = (fields.next()?, fields.next().unwrap_or_else(|| "defaults".to_owned()));
        (Path::new(&on) == Path::new(dir)).then_some(FileSystem { device, dir: on.into(), kind, options })
    });
    let entry = entries.next().ok_or_else(|| {
        format!("the file system table has no line for {dir}; add one, or give DEVICE:DIR:TYPE:OPTIONS")
    })?;
    if !entry.options.split(',').any(|option| option == "noauto") {
        return Err(format!(
            "the file system table has {dir} mounted at boot, on every node at once; add the option noauto"
        ));
    }
    Ok(entry)
}

/// Blanks, tabs, newlines and backslashes stand there as `\040` and the like.
pub fn unescape(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

fn check_dir(dir: &Path) -> Result<(), String> {
    let plain = dir.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !dir.is_absolute() || !plain {
        return Err(format!("{} is no absolute path without . and ..", dir.display()));
    }
    if dir.parent().is_none() {
        return Err("the root file system can't move with a group".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FSTAB: &str = "# the table\n/dev/sda1 / ext4 defaults 0 1\n\
        UUID=12-34\t/ha/data\text4\tnoauto,noatime 0 0\n\
        /dev/sdb1 /ha/my\\040files xfs noauto\n/dev/sdc1 /ha/boot ext4 defaults 0 0\n";

    fn check(element: &str) -> Result<(String, String, String, String), String> {
        let one = parse(&[element], || Ok(FSTAB.to_owned()))?.remove(0);
        Ok((one.device, one.dir.display().to_string(), one.kind, one.options))
    }

    fn is(
        device: &str,
        dir: &str,
        kind: &str,
        options: &str,
    ) -> Result<(String, String, String, String), String> {
        Ok((device.into(), dir.into(), kind.into(), options.into()))
    }

    #[test]
    fn a_directory_is_looked_up_in_the_table() {
        assert_eq!(check("/ha/data"), is("UUID=12-34", "/ha/data", "ext4", "noauto,noatime"));
        assert_eq!(check("/ha/my files"), is("/dev/sdb1", "/ha/my files", "xfs", "noauto"));
    }

    #[test]
    fn the_own_form_says_everything_itself() {
        assert_eq!(check("/dev/sdb1:/ha/a:ext4:ro+noatime"), is("/dev/sdb1", "/ha/a", "ext4", "ro,noatime"));
        assert_eq!(check("tmpfs:/ha/a:tmpfs:"), is("tmpfs", "/ha/a", "tmpfs", "defaults"));
        assert_eq!(check("srv:/export:/ha/a:nfs:rw"), is("srv:/export", "/ha/a", "nfs", "rw"));
    }

    #[test]
    fn what_can_not_be_mounted_is_refused_with_a_sentence() {
        for (element, wrong) in [
            ("/ha/other", "no line for /ha/other"),
            ("/ha/boot", "noauto"),
            ("/local:/global", "DEVICE:DIR:TYPE:OPTIONS"),
            ("/dev/sdb1:/:ext4:", "root file system"),
            ("/dev/sdb1:ha/a:ext4:", "no absolute path"),
            ("/dev/sdb1:/ha/../etc:ext4:", "no absolute path"),
            (":/ha/a:ext4:", "lacks its device"),
        ] {
            let said = check(element).unwrap_err();
            assert!(said.contains(wrong), "{element}: {said}");
        }
        let twice = parse(&["tmpfs:/ha/a:tmpfs:", "tmpfs:/ha/a:tmpfs:"], || Ok(String::new()));
        assert!(twice.unwrap_err().contains("twice"));
    }
}
