//! Properties of the cluster and load limits of its nodes (reference 3, 7.8).

use super::{Change, properties};
use crate::Rgm;
use crate::load::{self, LOAD_MAX};
use alloc::format;
use alloc::vec;
use rgm_types::config::{Entry, Write};
use rgm_types::{LoadLimit, NodeConf, NodeName, PropSet, Refusal, SchaErr};

impl Rgm {
    pub(super) fn admit_cluster_set(&self, sets: &[PropSet]) -> Result<Change, Refusal> {
        let mut cluster = self.conf.cluster.clone();
        if properties::set_cluster(&mut cluster.props, sets)?.is_empty() {
            let message = "no property to change is given";
            return Err(Refusal::new(SchaErr::Inval, message, "write -p NAME=VALUE"));
        }
        Ok(Change { writes: vec![Write::Put(Entry::Cluster(cluster))], ..Change::default() })
    }

    pub(super) fn admit_load_limit_set(
        &self,
        node: &NodeName,
        name: &str,
        soft: Option<u64>,
        hard: Option<i64>,
    ) -> Result<Change, Refusal> {
        let mut node = self.conf.node(node.as_str())?.clone();
        load::check_name(name)
            .map_err(|e| Refusal::new(SchaErr::Inval, format!("load limit name {name:?} {e}"), ""))?;
        let old = node.load_limits.get(name).copied().unwrap_or_default();
        let limit = LoadLimit {
            soft: soft.unwrap_or(old.soft),
            hard: hard.map_or(old.hard, |hard| u64::try_from(hard).ok()),
        };
        self.check_limit(&node, name, limit)?;
        node.load_limits.insert(name.into(), limit);
        Ok(Change { writes: vec![Write::Put(Entry::Node(node))], ..Change::default() })
    }

    fn check_limit(&self, node: &NodeConf, name: &str, limit: LoadLimit) -> Result<(), Refusal> {
        let LoadLimit { soft, hard } = limit;
        if soft.max(hard.unwrap_or(0)) > LOAD_MAX {
            return Err(properties::bad_value(name, &format!("at most {LOAD_MAX}")));
        }
        let Some(hard) = hard else { return Ok(()) };
        if soft > hard {
            let message = format!("the soft limit of {name}, {soft}, is above its hard limit, {hard}");
            return Err(Refusal::new(SchaErr::Inval, message, "a soft limit is at most the hard one"));
        }
        let load = self.loads.of_node(&node.name).find(|(n, _)| *n == name).map_or(0, |(_, load)| load);
        if load > hard {
            let message = format!("node {} carries {load} of {name} now, more than {hard}", node.name);
            return Err(Refusal::new(SchaErr::State, message, "switch groups away from it first"));
        }
        Ok(())
    }

    pub(super) fn admit_load_limit_delete(&self, node: &NodeName, name: &str) -> Result<Change, Refusal> {
        let mut node = self.conf.node(node.as_str())?.clone();
        if node.load_limits.remove(name).is_none() {
            let message = format!("node {} has no load limit {name}", node.name);
            return Err(Refusal::new(SchaErr::Inval, message, "clnode show lists its limits"));
        }
        Ok(Change { writes: vec![Write::Put(Entry::Node(node))], ..Change::default() })
    }
}
