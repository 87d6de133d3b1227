//! The programs under test: those that cargo has built beside this test.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Programs, and the names each answers to.
const PROGRAMS: [(&str, &[&str]); 9] = [
    ("rgmd", &["rgmd"]),
    ("pmfd", &["pmfd"]),
    ("pmfadm", &["pmfadm"]),
    ("hatimerun", &["hatimerun"]),
    ("scadm", &rgm_tools::scadm::LINKS),
    ("scha", &rgm_tools::scha::LINKS),
    ("acme-tick", &["acme-tick"]),
    ("acme-web", &["acme-web"]),
    ("acme-beat", &["acme-beat"]),
];

/// Where cargo puts the programs of the profile that this test was built with.
pub fn built() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let dir = test.ancestors().find(|dir| dir.join("rgmd").is_file());
    dir.map(Path::to_owned).context("the daemons are not built: cargo build --workspace --bins")
}

/// Puts every program into `bin`, under every name.
pub fn link_into(bin: &Path) -> Result<()> {
    let built = built()?;
    fs::create_dir_all(bin)?;
    for (program, names) in PROGRAMS {
        let target = built.join(program);
        ensure!(target.is_file(), "{} is not built: cargo build --workspace --bins", target.display());
        for name in names {
            symlink(&target, bin.join(name))?;
        }
    }
    Ok(())
}

/// Puts copies of the commands that need no root into `bin`, for a user who may not look into the
/// directory where they were built.
pub fn copy_into(bin: &Path) -> Result<()> {
    let built = built()?;
    fs::create_dir_all(bin)?;
    for (program, names) in
        PROGRAMS.iter().filter(|(program, _)| ["scadm", "scha", "pmfadm"].contains(program))
    {
        let copy = bin.join(program);
        fs::copy(built.join(program), &copy)?;
        for name in names.iter().filter(|name| *name != program) {
            symlink(program, bin.join(name))?;
        }
    }
    Ok(())
}
