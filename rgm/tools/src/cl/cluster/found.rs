//! `cluster create -n`: the first configuration of a cluster of many machines, in etcd.

use crate::cl::{Call, ClErr, Work};
use crate::failure::Failure;
use rgm_api::Paths;
use rgm_ccr::{Embedded, EtcdStore, Repository};
use rgm_core::Rgm;
use rgm_types::{Entry, NodeName, Write};
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
    let nodes = call.args.items("-n")?;
    let nodes = nodes
        .iter()
        .map(|name| NodeName::new(name).map_err(|error| call.args.misuse(format!("-n {name}: it {error}"))));
    let nodes: Vec<NodeName> = nodes.collect::<Result<_, _>>()?;
    let Settings { cluster, etcd } = settings()?;
    let Some(etcd) = etcd else {
        let message = "the settings name no etcd: a cluster on one machine makes itself when rgmd is started";
        return Err(Failure::cl(ClErr::Op, message, "give [etcd] with endpoints in rgm.toml"));
    };
    let mut store = EtcdStore::open(&etcd.clone().of_cluster(&cluster), None).map_err(failed)?;
    let (generation, entries) = store.load().map_err(failed)?;
    if !entries.is_empty() {
        let message = format!("there is a cluster {cluster} at {} already", etcd.endpoints.join(","));
        let hint = "give another name as cluster = in rgm.toml, or another prefix in [etcd]";
        return Err(Failure::cl(ClErr::Exist, message, hint));
    }
    let writes = match call.args.one("-s")? {
        None => Rgm::genesis(&cluster, &nodes),
        Some(file) => grown(Path::new(file), &cluster, &nodes)?,
    };
    let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
    let what = format!("cluster {cluster} of {}, with {} entries", names.join(", "), writes.len());
    if call.args.has("--dry-run") {
        return Ok(Work::print(format!("{what}, would be made\n")));
    }
    store.commit(generation, &writes).map_err(failed)?;
    Ok(Work::print(format!("{what}, is made; start rgmd on each of them\n")))
}

/// All that the embedded store of a cluster on one machine holds, and nodes besides.
fn grown(file: &Path, cluster: &str, nodes: &[NodeName]) -> Result<Vec<Write>, Failure> {
    let (_, mut entries) = Embedded::open(file).and_then(|store| store.load()).map_err(failed)?;
    let known: Vec<&NodeName> = entries
        .iter()
        .filter_map(|entry| if let Entry::Node(node) = entry { Some(&node.name) } else { None })
        .collect();
    if let Some(missing) = known.iter().find(|name| !nodes.contains(name)) {
        let message =
            format!("{} is of a cluster with node {missing}, which -n does not name", file.display());
        return Err(Failure::cl(ClErr::Noent, message, "name all of its nodes, and new ones behind them"));
    }
    let first = u32::try_from(known.len()).unwrap_or(0) + 1;
    let new: Vec<NodeName> = nodes.iter().filter(|name| !known.contains(name)).cloned().collect();
    for entry in &mut entries {
        if let Entry::Cluster(conf) = entry {
            cluster.clone_into(&mut conf.name);
        }
    }
    let new = (first..)
        .zip(new)
        .map(|(id, name)| Entry::Node(rgm_types::NodeConf { name, id, load_limits: Default::default() }));
    Ok(entries.into_iter().chain(new).map(Write::Put).collect())
}

fn settings() -> Result<Settings, Failure> {
    let refuse = |message: String| Failure::cl(ClErr::Op, message, "see docs/operations.md for the settings");
    let paths = Paths::from_env().map_err(|error| refuse(error.to_string()))?;
    let file = paths.config();
    let text = fs::read_to_string(file).map_err(|error| refuse(format!("{}: {error}", file.display())))?;
    toml::from_str(&text).map_err(|error| refuse(format!("{}: {error}", file.display())))
}

fn failed(error: rgm_ccr::StoreError) -> Failure {
    let mut message = error.to_string();
    let mut next = std::error::Error::source(&error);
    while let Some(cause) = next {
        message.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    Failure::cl(ClErr::Internal, message, "nothing was made")
}
