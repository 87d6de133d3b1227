//! `scrgadm -a -t`, `clrt register`: which file a type is registered from (reference 1.1).
//!
//! The file is read here and judged by rgmd; what is wrong with it comes back in the refusal. Only
//! the name it declares is compared here, so that nobody registers another type than they named.

use crate::ask::Change;
use crate::failure::Failure;
use rgm_types::{InstalledNodes, ResourceType, SchaErr, TypeName};
use std::io;
use std::path::{Path, PathBuf};

/// Variable: directories to look in, separated by colons.
const PATH: &str = "RGM_RTREG_PATH";
/// Where to look without it.
const DIRECTORIES: &str = "/opt/cluster/lib/rgm/rtreg:/usr/cluster/lib/rgm/rtreg";

/// The change that registers this type.
pub fn change(
    name: &str,
    given: Option<&str>,
    installed_nodes: Option<InstalledNodes>,
) -> Result<Change, Failure> {
    let path = std::env::var(PATH).ok().filter(|p| !p.is_empty());
    let file = find(name, given, path.as_deref().unwrap_or(DIRECTORIES))?;
    let text = read(&file).map_err(|e| unreadable(name, &file, &e))?;
    if let Some(declared) = declared(&file, &text)
        && !declared.answers_to(name)
    {
        return Err(Failure::new(
            SchaErr::Rt,
            format!("resource type {name}: {} declares {declared}", file.display()),
            format!("register it as {declared}, or name another file with -f"),
        ));
    }
    Ok(Change::Register { file: file.display().to_string(), text, installed_nodes })
}

/// What a registration declares, if its file has no errors.
pub fn declaration(change: &Change) -> Option<ResourceType> {
    match change {
        Change::Register { file, text, installed_nodes } => {
            let mut declared = rtr_parser::parse(file, text.as_bytes()).resource_type?;
            if let Some(nodes) = installed_nodes {
                declared.installed_nodes = nodes.clone();
            }
            Some(declared)
        }
        Change::Command(_) => None,
    }
}

/// The types that files declare, without errors: those of this directory or file, or of the directories.
pub fn declared_in(given: Option<&str>) -> Result<Vec<TypeName>, Failure> {
    let path = std::env::var(PATH).ok().filter(|p| !p.is_empty());
    let directories = given.map_or_else(|| path.unwrap_or_else(|| DIRECTORIES.to_owned()), str::to_owned);
    let mut types = Vec::new();
    for place in directories.split(':').map(Path::new) {
        let files = if place.is_file() { vec![place.to_owned()] } else { files_of(place) };
        types.extend(files.iter().filter_map(|file| declared(file, &read(file).ok()?)));
    }
    if types.is_empty() {
        return Err(Failure::new(
            SchaErr::Rt,
            format!("no registration file in {}", directories.replace(':', " or ")),
            "name a directory of them with -f",
        ));
    }
    Ok(types)
}

/// The files of a directory by name; none if it can't be read.
fn files_of(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|file| file.is_file()).collect();
    files.sort();
    files
}

fn find(name: &str, given: Option<&str>, path: &str) -> Result<PathBuf, Failure> {
    let Some(given) = given else { return in_directories(name, path) };
    let given = Path::new(given);
    if given.is_dir() { in_directory(name, given) } else { Ok(given.to_owned()) }
}

/// The file of that name, with or without a version, in the first directory that has one.
fn in_directories(name: &str, path: &str) -> Result<PathBuf, Failure> {
    let unversioned = name.rsplit_once(':').map_or(name, |(front, _)| front);
    for directory in path.split(':').map(Path::new) {
        for file in [name, unversioned] {
            let candidate = directory.join(file);
            if !file.contains('/') && candidate.is_file() {
                return Ok(candidate);
            }
        }
    }
    Err(Failure::new(
        SchaErr::Rt,
        format!("resource type {name}: no registration file of that name in {}", path.replace(':', " or ")),
        "name the file with -f",
    ))
}

/// The one file of a directory that declares the type.
fn in_directory(name: &str, directory: &Path) -> Result<PathBuf, Failure> {
    let entries = std::fs::read_dir(directory).map_err(|e| unreadable(name, directory, &e))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| file.is_file() && declares(file, name))
        .collect();
    found.sort();
    let all: Vec<String> = found.iter().map(|f| f.display().to_string()).collect();
    match (found.pop(), all.len()) {
        (Some(only), 1) => Ok(only),
        (None, _) => Err(Failure::new(
            SchaErr::Rt,
            format!("resource type {name}: no file in {} declares it", directory.display()),
            "a file with errors does not count: rtrcheck FILE shows them",
        )),
        (Some(_), _) => Err(Failure::new(
            SchaErr::Rt,
            format!("resource type {name}: several files declare it: {}", all.join(" ")),
            "name one of them with -f, or the type with its vendor and version",
        )),
    }
}

fn declares(file: &Path, name: &str) -> bool {
    let text = read(file).ok();
    text.and_then(|text| declared(file, &text)).is_some_and(|declared| declared.answers_to(name))
}

/// The full name of the type a file declares; `None` if it has errors, which are rgmd's to report.
fn declared(file: &Path, text: &str) -> Option<TypeName> {
    rtr_parser::parse(&file.display().to_string(), text.as_bytes()).resource_type.map(|t| t.name)
}

/// A file that is not UTF-8 is taken as ISO 8859-1, as the parser does. Longer ones than it reads are not read.
fn read(file: &Path) -> io::Result<String> {
    let len = std::fs::metadata(file)?.len();
    if len > rtr_parser::FILE_LEN_MAX as u64 {
        return Err(io::Error::other(format!("{len} bytes are too long for a registration file")));
    }
    let bytes = std::fs::read(file)?;
    Ok(String::from_utf8(bytes).unwrap_or_else(|e| e.as_bytes().iter().map(|b| char::from(*b)).collect()))
}

fn unreadable(name: &str, file: &Path, error: &io::Error) -> Failure {
    Failure::new(SchaErr::Inval, format!("resource type {name}: {}: {error}", file.display()), "")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "Resource_type = sample;\nVendor_id = SUNW;\nRT_basedir = /opt/x;\nRT_version = \"1.0\";\n\
        API_version = 2;\nStart = start;\nStop = stop;\n";
    const OTHER: &str = "Resource_type = other;\nVendor_id = SUNW;\nRT_basedir = /opt/x;\nRT_version = \"1.0\";\n\
        API_version = 2;\nStart = start;\nStop = stop;\n";

    fn registered(name: &str, given: &Path) -> Result<String, String> {
        match change(name, Some(given.to_str().unwrap()), None) {
            Ok(Change::Register { file, text, .. }) => Ok(format!("{file}\n{text}")),
            Ok(other @ Change::Command(_)) => panic!("{other:?}"),
            Err(failure) => Err(failure.text("scrgadm")),
        }
    }

    #[test]
    fn a_file_is_read_and_must_declare_the_type_that_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("anything");
        std::fs::write(&file, SAMPLE).unwrap();
        for name in ["SUNW.sample", "sample"] {
            assert_eq!(registered(name, &file).unwrap(), format!("{}\n{SAMPLE}", file.display()));
        }
        let refused = registered("SUNW.nfs", &file).unwrap_err();
        assert!(refused.contains("declares SUNW.sample"), "{refused}");
    }

    #[test]
    fn a_file_with_errors_is_left_to_the_daemon_to_judge() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("broken");
        std::fs::write(&file, "Resource_type = ;").unwrap();
        assert!(registered("SUNW.sample", &file).is_ok());
        let refused = registered("SUNW.sample", &dir.path().join("absent")).unwrap_err();
        assert!(refused.contains("No such file"), "{refused}");
    }

    #[test]
    fn in_a_directory_the_one_file_that_declares_the_type_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), OTHER).unwrap();
        std::fs::write(dir.path().join("b"), SAMPLE).unwrap();
        std::fs::write(dir.path().join("c"), "no registration file").unwrap();
        assert!(
            registered("SUNW.sample", dir.path())
                .unwrap()
                .starts_with(dir.path().join("b").to_str().unwrap())
        );
        let none = registered("SUNW.nfs", dir.path()).unwrap_err();
        assert!(none.contains("no file in"), "{none}");
        std::fs::write(dir.path().join("d"), SAMPLE).unwrap();
        let several = registered("SUNW.sample", dir.path()).unwrap_err();
        assert!(several.contains("several files"), "{several}");
    }

    #[test]
    fn without_a_file_the_directories_are_searched_in_their_order() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = format!("{}:{}", first.path().display(), second.path().display());
        let missing = find("SUNW.sample", None, &path).unwrap_err().text("scrgadm");
        assert!(missing.contains(second.path().to_str().unwrap()), "{missing}");
        std::fs::write(second.path().join("SUNW.sample"), SAMPLE).unwrap();
        assert_eq!(find("SUNW.sample:1.0", None, &path).unwrap(), second.path().join("SUNW.sample"));
        std::fs::write(first.path().join("SUNW.sample"), SAMPLE).unwrap();
        assert_eq!(find("SUNW.sample", None, &path).unwrap(), first.path().join("SUNW.sample"));
        assert!(find("../SUNW.sample", None, &path).is_err());
    }
}
