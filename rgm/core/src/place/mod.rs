//! Where a group is meant to be when nobody said so (reference 3.1, 5.4).
//!
//! ```text
//!   layout.rs    where groups are meant to be, and what a command would change of that
//!   verdict.rs   of every node of Nodelist: the rule that takes it or passes it over, and its rank
//!   affinity.rs  strong affinities and Node_rule: where a group may not be, who has to leave
//!   held.rs      who waits for whom on a node
//!   fill.rs      a group leaves where it may not be, and takes the best nodes until it has enough
//!   failback.rs  a group goes back to a node it likes better
//! ```
//!
//! One function, [`crate::Rgm::verdicts`], judges nodes; placing, giving over, switching by an
//! operator and explaining all read it. Moves caused by strong affinities run from targets to sources
//! only, and admission lets no cycle of them in, so that every cascade ends.

mod affinity;
mod failback;
mod fill;
mod held;
mod layout;
mod verdict;

pub(crate) use held::Standing;
pub(crate) use layout::Layout;
pub(crate) use verdict::{By, Rule, Verdict};
