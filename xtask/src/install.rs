//! What goes where.
//!
//! ```text
//! /usr/cluster/bin            daemons, commands, links to the multi-call binaries
//! /usr/cluster/lib/sc         helpers that agents call by their path
//! /usr/cluster/lib/rgm/rtreg  RTR files
//! /usr/cluster/lib/rgm/rt     methods of the types that come with the manager: links to rgm-agent
//! /opt/SUNWsample             the sample data service
//! /usr/lib/systemd/system     units of pmfd and rgmd
//! /usr/share                  manual pages, shell completions
//! ```

use crate::build::Built;
use crate::run;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

const BIN: &str = "usr/cluster/bin";
const LIB_SC: &str = "usr/cluster/lib/sc";
const RTREG: &str = "usr/cluster/lib/rgm/rtreg";
const AGENT: &str = "usr/cluster/lib/rgm/rgm-agent";
const SAMPLE: &str = "opt/SUNWsample";
const UNITS: &str = "usr/lib/systemd/system";

/// Binaries of their own.
const PROGRAMS: [&str; 8] = ["rgmd", "pmfd", "pmfadm", "rtrcheck", "hatimerun", "halockrun", "scadm", "scha"];
/// Names a multi-call binary is called by.
const LINKS: [(&str, &[&str]); 2] = [("scadm", &rgm_tools::scadm::LINKS), ("scha", &rgm_tools::scha::LINKS)];
/// Helpers that agents look for in `lib/sc` too.
const ALSO_IN_LIB_SC: [&str; 2] = ["hatimerun", "halockrun"];
/// Commands without a link: they have a manual page and completion like the others.
const DOCUMENTED: [&str; 8] =
    ["rgmd", "pmfd", "pmfadm", "rtrcheck", "hatimerun", "halockrun", "scds_syslog", "scadm"];

/// Directory of the commands below `destdir`.
pub fn bin_dir(destdir: &Path) -> PathBuf {
    destdir.join(BIN)
}

/// Directory of the sample's methods below `destdir`.
pub fn sample_dir(destdir: &Path) -> PathBuf {
    destdir.join(SAMPLE)
}

/// The sample's RTR file below `destdir`.
pub fn sample_rtr(destdir: &Path) -> PathBuf {
    destdir.join(RTREG).join("SUNW.sample")
}

/// Installs everything below `destdir`.
pub fn install(built: &Built, destdir: &Path) -> Result<()> {
    programs(built, destdir)?;
    agents(&built.binary("rgm-agent"), destdir)?;
    sample(destdir)?;
    units(destdir)?;
    documentation(&built.binary("scadm"), destdir)
}

fn programs(built: &Built, destdir: &Path) -> Result<()> {
    let bin = bin_dir(destdir);
    for name in PROGRAMS {
        file(&built.binary(name), &bin.join(name), 0o755)?;
    }
    for (target, names) in LINKS {
        for name in names {
            link(Path::new(target), &bin.join(name))?;
        }
    }
    let lib_sc = destdir.join(LIB_SC);
    file(&built.binary("scds_syslog"), &lib_sc.join("scds_syslog"), 0o755)?;
    for name in ALSO_IN_LIB_SC {
        link(&Path::new("../../bin").join(name), &lib_sc.join(name))?;
    }
    Ok(())
}

/// The types that come with the manager: their files, and for each method they name a link.
fn agents(agent: &Path, destdir: &Path) -> Result<()> {
    file(agent, &destdir.join(AGENT), 0o755)?;
    for entry in fs::read_dir(run::root().join("methods/agents/rtr"))? {
        let source = entry?.path();
        let name = source.file_name().unwrap_or_default();
        file(&source, &destdir.join(RTREG).join(name), 0o644)?;
        let parsed = rtr_parser::parse(&name.to_string_lossy(), &fs::read(&source)?);
        let declared = parsed.resource_type.with_context(|| format!("{} has errors", source.display()))?;
        for method in declared.methods.keys().filter_map(|method| declared.method_path(*method)) {
            link(Path::new("../../rgm-agent"), &destdir.join(method.trim_start_matches('/')))?;
        }
    }
    Ok(())
}

fn sample(destdir: &Path) -> Result<()> {
    let samples = run::root().join("samples");
    file(&samples.join("SUNW.sample"), &sample_rtr(destdir), 0o644)?;
    for part in ["bin", "conf"] {
        for entry in fs::read_dir(samples.join("SUNWsample").join(part))? {
            let source = entry?.path();
            let mode = source.metadata()?.permissions().mode() & 0o755;
            let name = source.file_name().unwrap_or_default();
            file(&source, &sample_dir(destdir).join(part).join(name), mode)?;
        }
    }
    Ok(())
}

fn units(destdir: &Path) -> Result<()> {
    for entry in fs::read_dir(run::root().join("packaging/systemd"))? {
        let source = entry?.path();
        file(&source, &destdir.join(UNITS).join(source.file_name().unwrap_or_default()), 0o644)?;
    }
    Ok(())
}

/// `scadm` prints the pages and completions of all commands.
fn documentation(scadm: &Path, destdir: &Path) -> Result<()> {
    let linked = LINKS.iter().flat_map(|(_, names)| *names);
    for name in linked.chain(&DOCUMENTED) {
        let page = run::read(Command::new(scadm).args(["man", name]))?;
        let section = page.split_whitespace().nth(2).context("a manual page without a section")?;
        let share = destdir.join("usr/share");
        text(&page, &share.join(format!("man/man{section}/{name}.{section}")))?;
        let places = [
            ("bash", format!("bash-completion/completions/{name}")),
            ("zsh", format!("zsh/vendor-completions/_{name}")),
            ("fish", format!("fish/vendor_completions.d/{name}.fish")),
        ];
        for (shell, place) in places {
            text(&run::read(Command::new(scadm).args(["completion", shell, name]))?, &share.join(place))?;
        }
    }
    Ok(())
}

/// Puts a file in its place at once: what runs from there goes on with the old one.
fn file(source: &Path, place: &Path, mode: u32) -> Result<()> {
    let bytes = fs::read(source).with_context(|| format!("failed to read {}", source.display()))?;
    write(&bytes, place, mode)
}

fn text(content: &str, place: &Path) -> Result<()> {
    write(content.as_bytes(), place, 0o644)
}

fn write(bytes: &[u8], place: &Path, mode: u32) -> Result<()> {
    let dir = place.parent().context("a place without a directory")?;
    let put = || -> Result<()> {
        fs::create_dir_all(dir)?;
        let mut new = tempfile::NamedTempFile::new_in(dir)?;
        std::io::Write::write_all(&mut new, bytes)?;
        new.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
        new.persist(place)?;
        Ok(())
    };
    put().with_context(|| format!("failed to install {}", place.display()))
}

fn link(target: &Path, place: &Path) -> Result<()> {
    let put = || -> std::io::Result<()> {
        fs::create_dir_all(place.parent().unwrap_or(Path::new("/")))?;
        match fs::remove_file(place) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        symlink(target, place)
    };
    put().with_context(|| format!("failed to install {}", place.display()))
}
