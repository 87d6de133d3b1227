//! Why something is as it is, for an operator: read from the same rules that decide.

use crate::Rgm;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use rgm_types::view::{Explanation, NodeVerdict};
use rgm_types::{Clock, Group, NodeName, Refusal, Resource, Subject};

impl Rgm {
    /// Explains a group or a resource.
    pub fn explain(&self, _clock: Clock, subject: &Subject) -> Result<Explanation, Refusal> {
        match subject {
            Subject::Group(name) => Ok(self.explain_group(self.conf.group(name)?)),
            Subject::Resource(name) => Ok(self.explain_resource(self.conf.resource(name)?)),
        }
    }

    fn explain_group(&self, group: &Group) -> Explanation {
        let candidates = self.candidates(group);
        let verdict = |node: &NodeName| NodeVerdict {
            node: node.clone(),
            state: self.group_state(group, node).phrase().to_string(),
            eligible: candidates.contains(node),
            rule: Default::default(),
        };
        Explanation {
            object: format!("resource group {}", group.name),
            summary: Default::default(),
            nodes: self.conf.nodes_of(&group.name).iter().map(verdict).collect(),
            reasons: Vec::new(),
            waits: Vec::new(),
            advice: Vec::new(),
        }
    }

    fn explain_resource(&self, r: &Resource) -> Explanation {
        let verdict = |node: &NodeName| NodeVerdict {
            node: node.clone(),
            state: self.resource_state(r, node).phrase().to_string(),
            eligible: r.enabled.on_at(node),
            rule: Default::default(),
        };
        Explanation {
            object: format!("resource {}", r.name),
            summary: Default::default(),
            nodes: self.conf.nodes_of(&r.group).iter().map(verdict).collect(),
            reasons: Vec::new(),
            waits: Vec::new(),
            advice: Vec::new(),
        }
    }
}
