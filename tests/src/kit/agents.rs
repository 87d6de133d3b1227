//! The resource types that come with the manager, registered and linked as `cargo xtask install`
//! does, below the directory of a cluster.

use super::{DevCluster, Said, programs};
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where their methods are installed for real.
const INSTALLED: &str = "/usr/cluster/lib/rgm/rt";

/// Puts registration files into `rtreg`, and the links that they name into `rt`.
pub fn install(dir: &Path) -> Result<()> {
    install_from(dir, &programs::built()?.join("rgm-agent"))
}

/// The same, of this program.
pub fn install_from(dir: &Path, agent: &Path) -> Result<()> {
    let here = dir.join("rt");
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../methods/agents/rtr");
    for entry in fs::read_dir(files)? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default();
        let text = fs::read_to_string(&file)?.replace(INSTALLED, &here.to_string_lossy());
        fs::write(dir.join("rtreg").join(name), &text)?;
        let parsed = rtr_parser::parse(&name.to_string_lossy(), text.as_bytes());
        let declared = parsed.resource_type.with_context(|| format!("{} has errors", file.display()))?;
        fs::create_dir_all(&declared.basedir)?;
        for method in declared.methods.keys().filter_map(|method| declared.method_path(*method)) {
            symlink(agent, method)?;
        }
    }
    Ok(())
}

/// Runs the examples of `docs/types/PAGE` on a cluster, as they stand there.
pub fn run_examples(cluster: &DevCluster, page: &str) -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/types").join(page);
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let examples = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let script: String = examples.collect();
    let mut shell = Command::new("sh");
    shell.args(["-exc", &script]).stdin(Stdio::null()).env_clear();
    for (name, value) in cluster.command("scrgadm", Some("phys-1")).get_envs() {
        shell.env(name, value.unwrap_or_default());
    }
    Said::new(page, &shell.output()?).ok().map(drop)
}
