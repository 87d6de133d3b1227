//! What is wrong with a method's file, found before the method is ever run.
//!
//! Methods run as root. So a file that somebody else may change, or swap for another in a directory
//! open to everybody, is refused as firmly as one that is not there.

use rgm_types::{Method, ResourceType};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Why a method's file is refused.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Nothing there.
    #[error("method {} does not exist; install it, or correct RT_basedir or the method's path", .0.display())]
    Missing(PathBuf),
    /// A directory, device or the like.
    #[error("method {} is not a regular file; name the program itself", .0.display())]
    NotRegular(PathBuf),
    /// No execute permission for its owner.
    #[error("method {} is not executable; chmod 755 it", .0.display())]
    NotExecutable(PathBuf),
    /// Anybody may write it.
    #[error("method {} is world-writable, so anybody could run commands as root; chmod o-w it", .0.display())]
    Writable(PathBuf),
    /// Anybody may swap it for another file.
    #[error(
        "method {} lies in {}, which is world-writable, so anybody could replace it; chmod o-w that directory",
        file.display(),
        dir.display()
    )]
    WritableDir {
        /// The method.
        file: PathBuf,
        /// The open directory.
        dir: PathBuf,
    },
    /// Somebody else's.
    #[error("method {} is owned by user id {owner}, not by root; chown root it", file.display())]
    NotRoots {
        /// The method.
        file: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// It cannot be looked at.
    #[error("method {} cannot be examined: {source}", file.display())]
    Unreadable {
        /// The method.
        file: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// Every fault of every method file of a type, in the order of the methods; none is good news.
/// Methods sharing a file are reported once.
pub fn methods_of(declaration: &ResourceType) -> Vec<(Method, Fault)> {
    let basedir = (!declaration.basedir.is_empty()).then(|| Path::new(&declaration.basedir));
    let mut seen: Vec<String> = Vec::new();
    let mut faults = Vec::new();
    for method in Method::ALL {
        let Some(path) = declaration.method_path(method).filter(|path| !seen.contains(path)) else {
            continue;
        };
        if let Err(fault) = method_file(Path::new(&path), basedir) {
            faults.push((method, fault));
        }
        seen.push(path);
    }
    faults
}

/// Looks at one method's file, and at its directories up to `basedir`. A symbolic link is followed:
/// what counts is the file that would run, and who may swap either.
pub fn method_file(file: &Path, basedir: Option<&Path>) -> Result<(), Fault> {
    let meta = metadata(file, file)?;
    if !meta.is_file() {
        return Err(Fault::NotRegular(file.into()));
    }
    if meta.permissions().mode() & 0o100 == 0 {
        return Err(Fault::NotExecutable(file.into()));
    }
    if meta.permissions().mode() & 0o002 != 0 {
        return Err(Fault::Writable(file.into()));
    }
    // A manager that is not root itself, as in a development cluster, may run what is its own.
    if meta.uid() != 0 && meta.uid() != nix::unistd::geteuid().as_raw() {
        return Err(Fault::NotRoots { file: file.into(), owner: meta.uid() });
    }
    directories(file, file, basedir)?;
    let real = fs::canonicalize(file).map_err(|source| Fault::Unreadable { file: file.into(), source })?;
    let real_base = basedir.and_then(|base| fs::canonicalize(base).ok());
    directories(file, &real, real_base.as_deref())
}

/// From the file's directory up to `basedir`; outside of it, only the file's own directory.
fn directories(file: &Path, place: &Path, basedir: Option<&Path>) -> Result<(), Fault> {
    let inside = basedir.filter(|base| place.starts_with(base));
    for (index, dir) in place.ancestors().skip(1).enumerate() {
        let within = inside.map_or(index == 0, |base| dir.starts_with(base));
        if !within || dir.as_os_str().is_empty() {
            break;
        }
        let mode = metadata(file, dir)?.permissions().mode();
        // In a sticky directory, such as /tmp, only the owner may replace a file.
        if mode & 0o002 != 0 && mode & 0o1000 == 0 {
            return Err(Fault::WritableDir { file: file.into(), dir: dir.into() });
        }
    }
    Ok(())
}

fn metadata(file: &Path, path: &Path) -> Result<Metadata, Fault> {
    fs::metadata(path).map_err(|source| {
        if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) {
            Fault::Missing(file.into())
        } else {
            Fault::Unreadable { file: file.into(), source }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }
        fn base(&self) -> &Path {
            self.0.path()
        }
        fn method(&self, name: &str, mode: u32) -> PathBuf {
            let path = self.base().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "#!/bin/sh\n").unwrap();
            chmod(&path, mode);
            path
        }
        fn fault(&self, file: &Path) -> String {
            method_file(file, Some(self.base())).unwrap_err().to_string()
        }
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_plain_executable_of_ours_is_accepted() {
        let place = Place::new();
        method_file(&place.method("bin/start", 0o755), Some(place.base())).unwrap();
        method_file(&place.method("bin/private", 0o700), None).unwrap();
    }

    #[test]
    fn each_fault_names_the_path_and_what_to_do() {
        let place = Place::new();
        let check = |file: &Path, expected: &str| {
            let text = place.fault(file);
            assert!(text.contains(expected) && text.contains(&*file.to_string_lossy()), "{text}");
        };
        check(&place.base().join("nowhere"), "does not exist; install it");
        check(&place.method("plain", 0o755).join("below"), "does not exist");
        check(&place.method("text", 0o644), "not executable; chmod 755");
        check(&place.method("open", 0o757), "world-writable");
        check(place.base(), "not a regular file");
    }

    #[test]
    fn a_directory_open_to_everybody_is_refused_unless_it_is_sticky() {
        let place = Place::new();
        let file = place.method("a/b/start", 0o755);
        let open = place.base().join("a");
        chmod(&open, 0o777);
        let text = place.fault(&file);
        assert!(text.contains(&format!("lies in {}, which is world-writable", open.display())), "{text}");
        chmod(&open, 0o1777);
        method_file(&file, Some(place.base())).unwrap();
    }

    #[test]
    fn outside_the_base_directory_the_own_directory_counts() {
        let place = Place::new();
        let file = place.method("else/where/start", 0o755);
        chmod(file.parent().unwrap(), 0o777);
        assert!(matches!(method_file(&file, Some(Path::new("/opt"))), Err(Fault::WritableDir { .. })));
        assert!(matches!(method_file(&file, None), Err(Fault::WritableDir { .. })));
    }

    #[test]
    fn behind_a_link_the_real_file_and_its_directory_count() {
        let place = Place::new();
        let real = place.method("real/start", 0o755);
        let link = place.base().join("start");
        std::os::unix::fs::symlink(&real, &link).unwrap();
        method_file(&link, Some(place.base())).unwrap();
        chmod(real.parent().unwrap(), 0o777);
        assert!(matches!(method_file(&link, Some(place.base())), Err(Fault::WritableDir { .. })));
    }

    #[test]
    fn a_method_of_another_user_is_refused() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let place = Place::new();
        let file = place.method("start", 0o755);
        std::os::unix::fs::chown(&file, Some(12_345), None).unwrap();
        assert!(place.fault(&file).contains("owned by user id 12345, not by root; chown root it"));
    }

    fn declaration() -> ResourceType {
        ResourceType {
            name: rgm_types::TypeName::new("t").unwrap(),
            base: "t".into(),
            vendor: String::new(),
            version: "1".into(),
            description: String::new(),
            api_version: 2,
            basedir: String::new(),
            failover: false,
            single_instance: false,
            init_nodes: rgm_types::InitNodes::default(),
            installed_nodes: rgm_types::InstalledNodes::default(),
            sysdefined: rgm_types::SysdefinedType::default(),
            pkglist: Vec::new(),
            rt_system: false,
            global_zone: false,
            proxy: false,
            methods: std::collections::BTreeMap::new(),
            upgrade: None,
            props: Vec::new(),
        }
    }

    #[test]
    fn all_faults_of_a_type_are_found_in_one_go_and_shared_files_once() {
        let place = Place::new();
        place.method("start", 0o755);
        place.method("stop", 0o644);
        let mut declaration = declaration();
        declaration.basedir = place.base().to_string_lossy().into_owned();
        let paths = [
            (Method::Start, "start"),
            (Method::Stop, "stop"),
            (Method::Fini, "stop"),
            (Method::Boot, "boot"),
        ];
        declaration.methods = paths.map(|(method, path)| (method, path.to_string())).into();
        let faults = methods_of(&declaration);
        assert!(
            matches!(
                faults.as_slice(),
                [(Method::Stop, Fault::NotExecutable(_)), (Method::Boot, Fault::Missing(_))]
            ),
            "{faults:?}"
        );
    }
}
