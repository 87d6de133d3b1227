//! Which nodes the cluster has: what the repository says, and what the daemon was started with.

use crate::Asks;
use crate::settings::Settings;
use rgm_ccr::{Repository, StoreError};
use rgm_core::Rgm;
use rgm_types::{Entry, NameError, NodeConf, NodeName, Write};

/// Why a daemon can't serve this configuration.
#[derive(Debug, thiserror::Error)]
pub enum NodesError {
    /// No name for this node.
    #[error("cannot take the host's name {host:?} for this node; give node = \"NAME\" in the settings")]
    Host {
        /// As the system has it.
        host: String,
        /// Why not.
        #[source]
        source: NameError,
    },
    /// A node would be lost.
    #[error(
        "node {missing} is configured, and not among the nodes this rgmd was started for ({given}); \
         start it for all of them, or use another RGM_STATE_DIR"
    )]
    Missing {
        /// The first one.
        missing: NodeName,
        /// As started.
        given: String,
    },
    /// Twice the same.
    #[error("node {0} is named twice")]
    Twice(NodeName),
    /// Another cluster.
    #[error(
        "the configuration is of cluster {found}, not {asked}; leave --cluster out, or use another RGM_STATE_DIR"
    )]
    OtherCluster {
        /// In the repository.
        found: String,
        /// On the command line.
        asked: String,
    },
    /// It can't be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The cluster's name and its nodes in the order of their ids. A repository that is empty gets its
/// first configuration; nodes that are new are added; none is ever taken away.
pub fn settle(
    repository: &mut impl Repository,
    asks: &Asks,
    settings: &Settings,
) -> Result<(String, Vec<NodeName>), NodesError> {
    let given = given(asks, settings)?;
    let (mut generation, mut entries) = repository.load()?;
    let writes = if entries.is_empty() {
        Rgm::genesis(asks.cluster.as_ref().unwrap_or(&settings.cluster), &given)
    } else {
        added(&entries, &given)?
    };
    if !writes.is_empty() {
        repository.commit(generation, &writes)?;
        (generation, entries) = repository.load()?;
        tracing::info!(generation = generation.0, nodes = ?given, "the nodes are configured");
    }
    let cluster = entries.iter().find_map(|entry| match entry {
        Entry::Cluster(conf) => Some(conf.name.clone()),
        Entry::Node(_)
        | Entry::Type(_)
        | Entry::Group(_)
        | Entry::Resource(_)
        | Entry::Run(..)
        | Entry::Attrs(..) => None,
    });
    let cluster = cluster.unwrap_or_default();
    if let Some(asked) = asks.cluster.clone().filter(|asked| *asked != cluster) {
        return Err(NodesError::OtherCluster { found: cluster, asked });
    }
    Ok((cluster, in_order(&entries)))
}

/// The configured nodes in the order of their ids.
pub fn in_order(entries: &[Entry]) -> Vec<NodeName> {
    let mut nodes = configured(entries);
    nodes.sort_by_key(|node| node.id);
    nodes.into_iter().map(|node| node.name).collect()
}

/// The nodes this daemon was started for.
fn given(asks: &Asks, settings: &Settings) -> Result<Vec<NodeName>, NodesError> {
    let nodes = match asks.dev_nodes.clone() {
        Some(nodes) => nodes,
        None => vec![own_name(settings)?],
    };
    let twice =
        nodes.iter().enumerate().find(|(index, node)| nodes.iter().skip(index + 1).any(|n| n == *node));
    match twice {
        Some((_, node)) => Err(NodesError::Twice(node.clone())),
        None => Ok(nodes),
    }
}

/// The name of this node: as the settings have it, or the host's.
pub fn own_name(settings: &Settings) -> Result<NodeName, NodesError> {
    if let Some(node) = &settings.node {
        return Ok(node.clone());
    }
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    NodeName::new(&host).map_err(|source| NodesError::Host { host, source })
}

fn added(entries: &[Entry], given: &[NodeName]) -> Result<Vec<Write>, NodesError> {
    let known = configured(entries);
    if let Some(missing) = known.iter().find(|node| !given.contains(&node.name)) {
        let given: Vec<&str> = given.iter().map(NodeName::as_str).collect();
        return Err(NodesError::Missing { missing: missing.name.clone(), given: given.join(",") });
    }
    let next = known.iter().map(|node| node.id).max().unwrap_or(0) + 1;
    let new = given.iter().filter(|name| !known.iter().any(|node| node.name == **name));
    Ok((next..)
        .zip(new)
        .map(|(id, name)| {
            Write::Put(Entry::Node(NodeConf { name: name.clone(), id, load_limits: Default::default() }))
        })
        .collect())
}

fn configured(entries: &[Entry]) -> Vec<NodeConf> {
    let nodes = entries.iter().filter_map(|entry| match entry {
        Entry::Node(node) => Some(node.clone()),
        Entry::Cluster(_)
        | Entry::Type(_)
        | Entry::Group(_)
        | Entry::Resource(_)
        | Entry::Run(..)
        | Entry::Attrs(..) => None,
    });
    nodes.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rgm_ccr::Embedded;

    fn asks(nodes: &[&str], cluster: Option<&str>) -> Asks {
        let nodes = nodes.iter().map(|name| NodeName::new(name).unwrap()).collect();
        Asks { dev_nodes: Some(nodes), cluster: cluster.map(str::to_owned), ..Asks::default() }
    }

    #[test]
    fn nodes_are_added_and_never_lost() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Embedded::open(&dir.path().join("ccr.redb")).unwrap();
        let settings = Settings::default();
        let mut names = |asks: Asks| {
            settle(&mut store, &asks, &settings).map(|(cluster, nodes)| {
                let nodes: Vec<String> = nodes.iter().map(NodeName::to_string).collect();
                format!("{cluster}: {}", nodes.join(" "))
            })
        };
        assert_eq!(names(asks(&["b", "a"], Some("planets"))).unwrap(), "planets: b a");
        assert_eq!(names(asks(&["a", "b"], None)).unwrap(), "planets: b a");
        assert_eq!(names(asks(&["c", "a", "b"], None)).unwrap(), "planets: b a c");
        assert!(
            matches!(names(asks(&["a", "c"], None)), Err(NodesError::Missing { missing, .. }) if missing.as_str() == "b")
        );
        assert!(matches!(names(asks(&["a", "b", "a"], None)), Err(NodesError::Twice(_))));
        assert!(matches!(names(asks(&["a", "b", "c"], Some("moons"))), Err(NodesError::OtherCluster { .. })));
        assert_eq!(names(asks(&["a", "b", "c"], None)).unwrap(), "planets: b a c");
    }
}
