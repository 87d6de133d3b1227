//! The lines of a president: to a node on another machine, and to the agent of its own.

use super::post::Post;
use rgm_cluster::{Link, ToNode};
use rgm_types::NodeName;

/// To another node. What can't be sent is dropped; [`rgm_cluster::rules::Line`] says when.
pub struct FarLine {
    pub(super) post: Post,
    pub(super) epoch: u64,
    pub(super) node: NodeName,
}

impl Link for FarLine {
    fn send(&mut self, message: ToNode) {
        self.post.tell(self.epoch, &self.node, message);
    }

    fn reported(&mut self) {
        self.post.reported(&self.node);
    }
}

/// To this node's agent, as long as it obeys the president of this epoch.
pub struct OwnLine {
    pub(super) post: Post,
    pub(super) epoch: u64,
}

impl Link for OwnLine {
    fn send(&mut self, message: ToNode) {
        self.post.tell_own(self.epoch, message);
    }
}
