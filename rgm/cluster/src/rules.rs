//! What a cluster of many machines decides about itself, without a clock, a socket or a thread: the
//! membership and rgmd's seat act by these, and so does the simulator of whole clusters.
//!
//! | | decides |
//! |---|---|
//! | [`Tenure`] | until when a node may run something, and when its place may be registered |
//! | [`Roll`] | who is there, who is president, who stands for election |
//! | [`Duty`] | whom a node obeys, which reports count, when it presides |
//! | [`Reach`], [`Sight`] | whom a president may take out that it does not reach |
//! | [`Writ`] | what it may write about them |
//! | [`Gathering`] | when a new president has heard enough to begin |

mod duty;
mod gather;
mod line;
mod reach;
mod roll;
mod tenure;
mod writ;

pub use duty::{Duty, Missing, Obeyed, Reply, Told};
pub use gather::Gathering;
pub use line::Line;
pub use reach::{Reach, Sight};
pub use roll::{Part, Place, Roll};
pub use tenure::{Held, Tenure};
pub use writ::{Void, Writ, patience, strike};
