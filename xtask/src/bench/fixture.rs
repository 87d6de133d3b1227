//! A cluster to measure in, with resource types made for it.

use crate::build::Built;
use crate::cluster::{Cluster, NODES};
use crate::install;
use crate::wait::Waiter;
use anyhow::{Context, Result};
use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// It ends, and its directory vanishes, when it is dropped.
pub struct Fixture {
    dir: TempDir,
    /// Looks and waits.
    pub waiter: Waiter,
    cluster: RefCell<Cluster>,
}

impl Fixture {
    /// Installs everything in a directory of its own. The cluster is started when it is needed.
    pub fn new(built: &Built) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("rgm-bench-").tempdir()?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        install::install(built, dir.path())?;
        let cluster = RefCell::new(Cluster::new(dir.path()));
        Ok(Self { dir, waiter: Waiter::new()?, cluster })
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// A program of this system.
    pub fn program(&self, name: &str) -> PathBuf {
        install::bin_dir(self.dir()).join(name)
    }

    /// The cluster, running.
    pub fn cluster(&self) -> Result<std::cell::RefMut<'_, Cluster>> {
        let mut cluster = self.cluster.borrow_mut();
        if !cluster.is_running() {
            cluster.start(&self.waiter)?;
        }
        Ok(cluster)
    }

    /// Registers the type `Bench.NAME` with these methods: `START = /bin/true;` and so on.
    pub fn register(&self, name: &str, methods: &str) -> Result<()> {
        let file = self.dir().join(format!("{name}.rtr"));
        let head =
            format!("RESOURCE_TYPE = {name};\nVENDOR_ID = Bench;\nRT_VERSION = \"1.0\";\nAPI_VERSION = 2;\n");
        let name = format!("Bench.{name}");
        fs::write(
            &file,
            format!("{head}RT_BASEDIR = {};\nFAILOVER = TRUE;\n{methods}\n", self.dir().display()),
        )?;
        let file = file.to_string_lossy().into_owned();
        self.cluster()?.run(&["scrgadm", "-a", "-t", &name, "-f", &file]).map(drop)
    }

    /// Creates a group with so many resources of a type in it.
    pub fn group(&self, group: &str, type_name: &str, resources: usize) -> Result<()> {
        let cluster = self.cluster()?;
        cluster.run(&["scrgadm", "-a", "-g", group, "-h", &NODES.join(",")])?;
        for n in 0..resources {
            cluster.run(&["scrgadm", "-a", "-j", &format!("{group}-{n}"), "-t", type_name, "-g", group])?;
        }
        Ok(())
    }

    /// A script as a method or service.
    pub fn script(&self, name: &str, text: &str) -> Result<PathBuf> {
        let file = self.dir().join(name);
        fs::write(&file, text).with_context(|| format!("failed to write {}", file.display()))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        Ok(file)
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let cluster = self.cluster.get_mut();
        if cluster.is_running() {
            let _ = cluster.end(&self.waiter);
        }
        cluster.destroy();
    }
}
