//! Type_version of a resource: to another version of its type (reference 1.5).

use super::properties;
use crate::Rgm;
use crate::cell::Phase;
use crate::value::{self, Limits};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use rgm_types::{PropOp, Refusal, Resource, ResourceType, SchaErr, UpgradeTunability};

impl Rgm {
    /// The resource as a resource of another version of its type. What it says of properties that
    /// version does not have is dropped, with a remark.
    pub(super) fn with_version(
        &self,
        r: &Resource,
        version: &str,
        remarks: &mut Vec<String>,
    ) -> Result<(Resource, Arc<ResourceType>), Refusal> {
        let old = self.conf.resource_type(r.type_name.as_str())?;
        let new = self.version_of(old, version)?.clone();
        if new.name == old.name {
            return Ok((r.clone(), new));
        }
        self.check_upgrade(r, &new)?;
        let mut moved = Resource {
            type_name: new.name.clone(),
            type_version: new.version.clone(),
            props: Default::default(),
            node_props: Default::default(),
            ..r.clone()
        };
        for (name, value) in &r.props {
            match new.prop(name.as_str()) {
                Some(decl) => {
                    let text = value.to_string();
                    let fits = value::change(None, PropOp::Set, &text, &Limits::of_decl(decl));
                    let fits = fits.map_err(|e| properties::bad_value(name.as_str(), &e))?;
                    moved.props.insert(decl.name.clone(), fits);
                }
                None => remarks.push(format!("resource type {} has no property {name}: dropped", new.name)),
            }
        }
        let kept =
            r.node_props.iter().filter(|(name, _)| new.prop(name.as_str()).is_some_and(|d| d.per_node));
        moved.node_props = kept.map(|(name, values)| (name.clone(), values.clone())).collect();
        Ok((moved, new))
    }

    fn version_of(&self, old: &ResourceType, version: &str) -> Result<&Arc<ResourceType>, Refusal> {
        let same = |t: &&Arc<ResourceType>| t.vendor == old.vendor && t.base == old.base;
        let found = self.conf.types.values().filter(same).find(|t| t.version == version);
        found.ok_or_else(|| {
            let known: Vec<&str> =
                self.conf.types.values().filter(same).map(|t| t.version.as_str()).collect();
            Refusal::new(
                SchaErr::Rt,
                format!("version {version} of resource type {} is not registered", old.base),
                format!("registered are: {}", known.join(", ")),
            )
        })
    }

    /// Whether the resource may move to that version now.
    fn check_upgrade(&self, r: &Resource, new: &ResourceType) -> Result<(), Refusal> {
        let tunability = tunability(new, &r.type_version);
        let cells = || self.conf.nodes.keys().filter_map(|n| self.peek(r, n));
        let managed = self.conf.groups.get(&r.group).is_some_and(|g| g.managed);
        let enabled = self.conf.nodes.keys().any(|n| r.enabled.on_at(n));
        let monitored = |p: Phase| matches!(p, Phase::Monitored | Phase::MonitorFailed);
        let (may, when, hint) = match tunability {
            UpgradeTunability::Anytime => return Ok(()),
            UpgradeTunability::WhenUnmonitored => (
                !cells().any(|c| monitored(c.phase) || c.flight.is_some()),
                "while its monitor is stopped",
                format!("stop its monitor first: clrs unmonitor {}", r.name),
            ),
            UpgradeTunability::WhenOffline => (
                cells().all(|c| c.is_clear()),
                "while it is offline",
                format!("take its group offline first: clrg offline {}", r.group),
            ),
            UpgradeTunability::WhenDisabled => (
                !enabled && cells().all(|c| c.is_clear()),
                "while it is disabled",
                format!("disable it first: clrs disable {}", r.name),
            ),
            UpgradeTunability::WhenUnmanaged => (
                !managed,
                "while its group is unmanaged",
                format!("unmanage its group first: clrg unmanage {}", r.group),
            ),
            UpgradeTunability::AtCreation => (false, "by being created anew", String::new()),
        };
        if may {
            return Ok(());
        }
        let message = format!(
            "Type_version of resource {} may be changed from {:?} to {:?} only {when}",
            r.name, r.type_version, new.version
        );
        Err(Refusal::new(SchaErr::State, message, hint))
    }
}

/// What the target's `#$upgrade_from` lines say of a version; `""` stands for any that is not listed,
/// and where nothing is said the group has to be unmanaged.
fn tunability(new: &ResourceType, from: &str) -> UpgradeTunability {
    let lines = new.upgrade.as_deref().unwrap_or_default();
    let of = |version: &str| lines.iter().find(|(v, _)| v == version).map(|(_, t)| *t);
    of(from).or_else(|| of("")).unwrap_or(UpgradeTunability::WhenUnmanaged)
}
