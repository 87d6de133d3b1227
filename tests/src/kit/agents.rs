//! The resource types that come with the manager, registered and linked as `cargo xtask install`
//! does, below the directory of a cluster.

use super::programs;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Where their methods are installed for real.
const INSTALLED: &str = "/usr/cluster/lib/rgm/rt";

/// Puts registration files into `rtreg`, and the links that they name into `rt`.
pub fn install(dir: &Path) -> Result<()> {
    let agent = programs::built()?.join("rgm-agent");
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
            symlink(&agent, method)?;
        }
    }
    Ok(())
}
