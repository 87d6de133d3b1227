//! The words of the resource group manager: names, values, properties, resource types, what is
//! configured, what state it is in, what can be asked and what can go wrong.
//!
//! Layer 0: data and its own rules only. No clock, no file, no decision. Everything that crosses
//! a process boundary (store, socket, journal) is made of these types, so they are versioned by
//! their readers: unknown fields are refused where a change would be lost by dropping them.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

pub mod attrs;
pub mod call;
pub mod config;
pub mod error;
pub mod method;
pub mod name;
pub mod props;
pub mod rt;
pub mod state;
pub mod time;
pub mod value;
pub mod view;

pub use attrs::{ATTRS_MAX, Attrs, Lifetime, check_attr_value};
pub use call::{
    Bring, Command, ControlOp, Done, GetValue, PlannedStep, Progress, PropClass, PropOp, PropSet, Query,
    Refusal, Subject,
};
pub use config::{
    ClusterConf, Entry, Generation, Giveover, Group, GroupRun, Hold, Key, LoadLimit, NodeConf, Resource,
    StartFailure, Switch, Write,
};
pub use error::SchaErr;
pub use method::Method;
pub use name::{AttrName, GroupName, NameError, NodeName, PropName, ResourceName, TypeName};
pub use rt::{InitNodes, InstalledNodes, PropDecl, ResourceType, SysdefinedType, UpgradeTunability};
pub use state::{GroupState, ResourceState, Status};
pub use time::{Clock, Millis};
pub use value::{PropType, Tunable, Value};
