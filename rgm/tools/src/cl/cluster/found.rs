//! `cluster create -n`: the first configuration of a cluster of many machines, in etcd.

use crate::cl::{Call, ClErr, Work};
use crate::failure::Failure;
use crate::names;
use rgm_api::Paths;
use rgm_ccr::{Embedded, EtcdStore, Repository, StoreError};
use rgm_core::Rgm;
use rgm_types::{Entry, NodeConf, NodeName};
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// What of `rgm.toml` matters here; the daemon checks the rest.
#[derive(Debug, Deserialize)]
struct Settings {
    #[serde(default = "unnamed")]
    cluster: String,
    etcd: Option<rgm_etcd::Settings>,
}

fn unnamed() -> String {
    "rgm".to_owned()
}

/// Makes the cluster that the settings of this machine name.
pub fn run(call: &Call) -> Result<Work, Failure> {
    let nodes = call.args.items("-n")?.iter().map(|name| names::node(name)).collect::<Result<Vec<_>, _>>()?;
    let Settings { cluster, etcd } = settings()?;
    let Some(etcd) = etcd else {
        let message = "the settings name no etcd: a cluster on one machine makes itself when rgmd is started";
        return Err(Failure::cl(ClErr::Op, message, "give [etcd] with endpoints in rgm.toml"));
    };
    let mut target = EtcdStore::open(&etcd.clone().of_cluster(&cluster), None).map_err(failed)?;
    let (generation, entries) = target.load().map_err(failed)?;
    if !entries.is_empty() {
        let message = format!("there is a cluster {cluster} at {} already", etcd.endpoints.join(","));
        let hint = "give another name as cluster = in rgm.toml, or another prefix in [etcd]";
        return Err(Failure::cl(ClErr::Exist, message, hint));
    }
    let grown =
        call.args.one("-s")?.map(|file| Grown::from(Path::new(file), &cluster, &nodes)).transpose()?;
    let listed: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
    let what = format!("cluster {cluster} of {}", listed.join(", "));
    if call.args.has("--dry-run") {
        return Ok(Work::print(format!("{what} would be made\n")));
    }
    let made = match grown {
        None => target.commit(generation, &Rgm::genesis(&cluster, &nodes)),
        Some(Grown { store, new }) => rgm_ccr::copy(&store, &mut target, new),
    };
    made.map_err(failed)?;
    Ok(Work::print(format!("{what} is made; start rgmd on each of them\n")))
}

/// What a cluster on one machine has stored, and the nodes that come to it.
struct Grown {
    store: Embedded,
    new: Vec<Entry>,
}

impl Grown {
    fn from(file: &Path, cluster: &str, nodes: &[NodeName]) -> Result<Self, Failure> {
        let refuse = |message: String, hint: &str| Err(Failure::cl(ClErr::Noent, message, hint));
        if !file.is_file() {
            return refuse(
                format!("there is no store {}", file.display()),
                "it is ccr.redb in RGM_STATE_DIR",
            );
        }
        let store = Embedded::open(file).map_err(failed)?;
        let (_, entries) = store.load().map_err(failed)?;
        let (mut known, mut named) = (Vec::new(), None);
        for entry in entries {
            match entry {
                Entry::Node(node) => known.push(node),
                Entry::Cluster(conf) => named = Some(conf.name),
                Entry::Type(_) | Entry::Group(_) | Entry::Resource(_) | Entry::Run(..) | Entry::Attrs(..) => {
                }
            }
        }
        if named.as_deref() != Some(cluster) {
            let message =
                format!("{} is of cluster {}, not {cluster}", file.display(), named.unwrap_or_default());
            return refuse(message, "give its name as cluster = in rgm.toml");
        }
        if let Some(missing) = known.iter().find(|node| !nodes.contains(&node.name)) {
            let message = format!("{} is of a cluster with node {}", file.display(), missing.name);
            return refuse(message, "name all of its nodes with -n, and new ones behind them");
        }
        let next = known.iter().map(|node| node.id).max().unwrap_or(0) + 1;
        let new = nodes.iter().filter(|name| !known.iter().any(|node| node.name == **name));
        let entry = |(id, name): (u32, &NodeName)| {
            Entry::Node(NodeConf { name: name.clone(), id, load_limits: Default::default() })
        };
        Ok(Self { store, new: (next..).zip(new).map(entry).collect() })
    }
}

fn settings() -> Result<Settings, Failure> {
    let refuse = |message: String| Failure::cl(ClErr::Op, message, "see docs/operations.md for the settings");
    let paths = Paths::from_env().map_err(|error| refuse(error.to_string()))?;
    let file = paths.config();
    let text = fs::read_to_string(file).map_err(|error| refuse(format!("{}: {error}", file.display())))?;
    toml::from_str(&text).map_err(|error| refuse(format!("{}: {error}", file.display())))
}

fn failed(error: StoreError) -> Failure {
    Failure::cl(ClErr::Internal, rgm_api::chain(&error), "nothing was made")
}
