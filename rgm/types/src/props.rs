//! The system-defined properties of resources (reference 2.1), of groups (reference 3) and of the
//! cluster, as tables.

use crate::{PropName, PropType, Tunable};
use PropType::{Boolean, Enum, Int, String, StringArray};
use Tunable::{Anytime, AtCreation, None as Never, WhenDisabled};

/// When a property exists on an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// Always.
    Always,
    /// On a resource only if its type's file declares it.
    Declared,
    /// Made by the manager, per node, and only ever read.
    QueryOnly,
}

/// One system-defined property.
#[derive(Debug, Clone, Copy)]
pub struct SystemProp {
    /// Canonical name.
    pub name: &'static str,
    /// Data type.
    pub prop_type: PropType,
    /// When it exists.
    pub presence: Presence,
    /// Default as an RTR file would write it; `None`: it has none.
    pub default: Option<&'static str>,
    /// When it may be changed, unless the file says otherwise.
    pub tunable: Tunable,
    /// The words of an enum.
    pub enumlist: &'static [&'static str],
    /// Lowest int.
    pub min: Option<i64>,
    /// False: kept and shown, without effect on Linux or in this version.
    pub effective: bool,
}

impl SystemProp {
    /// Its name as a property name.
    pub fn prop_name(&self) -> PropName {
        PropName::of_table(self.name)
    }
}

const fn row(
    name: &'static str,
    prop_type: PropType,
    presence: Presence,
    default: Option<&'static str>,
    tunable: Tunable,
) -> SystemProp {
    SystemProp { name, prop_type, presence, default, tunable, enumlist: &[], min: None, effective: true }
}
const fn words(mut prop: SystemProp, enumlist: &'static [&'static str]) -> SystemProp {
    prop.enumlist = enumlist;
    prop
}
const fn at_least(mut prop: SystemProp, min: i64) -> SystemProp {
    prop.min = Some(min);
    prop
}
const fn inert(mut prop: SystemProp) -> SystemProp {
    prop.effective = false;
    prop
}
const fn timeout(name: &'static str) -> SystemProp {
    at_least(row(name, Int, Presence::Declared, Some("3600"), Anytime), 1)
}

use Presence::{Always, Declared, QueryOnly};

/// The system-defined properties of a resource (reference 2.1).
pub const RESOURCE: &[SystemProp] = &[
    row("R_description", String, Always, Some(""), Anytime),
    inert(row("Resource_project_name", String, Always, Some(""), Anytime)),
    words(
        row("Failover_mode", Enum, Always, Some("NONE"), Anytime),
        &["NONE", "SOFT", "HARD", "RESTART_ONLY", "LOG_ONLY"],
    ),
    row("Retry_count", Int, Declared, None, WhenDisabled),
    at_least(row("Retry_interval", Int, Declared, None, WhenDisabled), 0),
    at_least(row("Thorough_probe_interval", Int, Declared, None, WhenDisabled), 0),
    at_least(row("Cheap_probe_interval", Int, Declared, None, WhenDisabled), 0),
    timeout("Prenet_start_timeout"),
    timeout("Start_timeout"),
    timeout("Stop_timeout"),
    timeout("Postnet_stop_timeout"),
    timeout("Monitor_start_timeout"),
    timeout("Monitor_stop_timeout"),
    timeout("Monitor_check_timeout"),
    timeout("Validate_timeout"),
    timeout("Update_timeout"),
    timeout("Init_timeout"),
    timeout("Fini_timeout"),
    timeout("Boot_timeout"),
    row("Resource_dependencies", StringArray, Always, Some(""), Anytime),
    row("Resource_dependencies_weak", StringArray, Always, Some(""), Anytime),
    row("Resource_dependencies_restart", StringArray, Always, Some(""), Anytime),
    row("Resource_dependencies_offline_restart", StringArray, Always, Some(""), Anytime),
    row("Network_resources_used", StringArray, Declared, Some(""), Anytime),
    row("Scalable", Boolean, Declared, None, AtCreation),
    row("Port_list", StringArray, Declared, None, Anytime),
    inert(row("Load_balancing_policy", String, Declared, Some("Lb_weighted"), AtCreation)),
    inert(row("Load_balancing_weights", StringArray, Declared, Some(""), Anytime)),
    inert(at_least(row("Affinity_timeout", Int, Declared, None, Anytime), -1)),
    inert(row("UDP_affinity", Boolean, Declared, None, WhenDisabled)),
    inert(row("Weak_affinity", Boolean, Declared, None, WhenDisabled)),
    inert(row("Generic_affinity", Boolean, Declared, Some("FALSE"), WhenDisabled)),
    inert(at_least(row("Conn_threshold", Int, Declared, Some("100"), Anytime), 0)),
    inert(row("Round_robin", Boolean, Declared, Some("FALSE"), WhenDisabled)),
    inert(row("Global_zone_override", Boolean, Declared, Some("TRUE"), AtCreation)),
    inert(row("Pre_evict", Boolean, Declared, Some("FALSE"), Anytime)),
    row("Resource_name", String, QueryOnly, None, Never),
    row("Type", String, QueryOnly, None, Never),
    row("Type_version", String, QueryOnly, None, Never),
    words(row("On_off_switch", Enum, QueryOnly, None, Never), &["DISABLED", "ENABLED"]),
    words(row("Monitored_switch", Enum, QueryOnly, None, Never), &["DISABLED", "ENABLED"]),
    row("Resource_state", Enum, QueryOnly, None, Never),
    row("Status", Enum, QueryOnly, None, Never),
    row("Status_msg", String, QueryOnly, None, Never),
    row("Num_resource_restarts", Int, QueryOnly, None, Never),
    row("Num_rg_restarts", Int, QueryOnly, None, Never),
];

/// The properties of a resource group (reference 3), and Node_rule. RG_name, RG_state, Resource_list and
/// Suspend_automatic_recovery are not set like properties and stand elsewhere.
pub const GROUP: &[SystemProp] = &[
    row("RG_description", String, Always, Some(""), Anytime),
    words(row("RG_mode", Enum, Always, Some("Failover"), AtCreation), &["Failover", "Scalable"]),
    row("Nodelist", StringArray, Always, Some(""), Anytime),
    at_least(row("Maximum_primaries", Int, Always, Some("1"), Anytime), 1),
    at_least(row("Desired_primaries", Int, Always, Some("1"), Anytime), 0),
    row("Failback", Boolean, Always, Some("FALSE"), Anytime),
    row("Auto_start_on_new_cluster", Boolean, Always, Some("TRUE"), Anytime),
    at_least(row("Pingpong_interval", Int, Always, Some("3600"), Anytime), 0),
    row("RG_dependencies", StringArray, Always, Some(""), Anytime),
    row("RG_affinities", StringArray, Always, Some(""), Anytime),
    row("Implicit_network_dependencies", Boolean, Always, Some("TRUE"), Anytime),
    inert(row("Global_resources_used", StringArray, Always, Some("*"), Anytime)),
    row("Pathprefix", String, Always, Some(""), Anytime),
    inert(row("RG_project_name", String, Always, Some("default"), Anytime)),
    row("RG_system", Boolean, Always, Some("FALSE"), Anytime),
    inert(row("RG_slm_type", String, Always, Some("manual"), Anytime)),
    inert(row("RG_slm_cpu", String, Always, Some("0.01"), Anytime)),
    inert(row("RG_slm_cpu_min", String, Always, Some("0.01"), Anytime)),
    inert(row("RG_slm_pset_type", String, Always, Some("default"), Anytime)),
    row("Load_factors", StringArray, Always, Some(""), Anytime),
    at_least(row("Priority", Int, Always, Some("500"), Anytime), 0),
    words(row("Preemption_mode", Enum, Always, Some("Has_Cost"), Anytime), &["Has_Cost", "No_Cost", "Never"]),
    row("Node_rule", String, Always, Some(""), Anytime),
];

/// What else is known of a group under a property's name, and only ever read like one.
pub const GROUP_QUERY_ONLY: &[&str] =
    &["RG_name", "RG_state", "RG_is_frozen", "Resource_list", "Suspend_automatic_recovery"];

/// The properties of the cluster itself (`cluster set -p`).
pub const CLUSTER: &[SystemProp] = &[
    row("Concentrate_load", Boolean, Always, Some("FALSE"), Anytime),
    inert(words(
        row("Global_fencing", Enum, Always, Some("nofencing"), Anytime),
        &["nofencing", "nofencing-noscrub", "prefer3", "pathcount"],
    )),
    inert(at_least(row("Heartbeat_quantum", Int, Always, Some("1000"), Anytime), 100)),
    inert(at_least(row("Heartbeat_timeout", Int, Always, Some("10000"), Anytime), 2500)),
    inert(words(row("Installmode", Enum, Always, Some("disabled"), Anytime), &["enabled", "disabled"])),
    inert(words(
        row("Resource_security", Enum, Always, Some("COMPATIBILITY"), Anytime),
        &["SECURE", "WARN", "OVERRIDE", "COMPATIBILITY"],
    )),
    inert(at_least(row("Udp_session_timeout", Int, Always, Some("480"), Anytime), 1)),
];

fn find(table: &'static [SystemProp], name: &str) -> Option<&'static SystemProp> {
    table.iter().find(|p| p.name.eq_ignore_ascii_case(name))
}

/// The system-defined resource property of that name, in any case.
pub fn resource(name: &str) -> Option<&'static SystemProp> {
    find(RESOURCE, name)
}

/// The cluster property of that name, in any case.
pub fn cluster(name: &str) -> Option<&'static SystemProp> {
    find(CLUSTER, name)
}

/// The group property of that name, in any case.
pub fn group(name: &str) -> Option<&'static SystemProp> {
    find(GROUP, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_tables_is_a_property_name_and_stands_once() {
        for table in [RESOURCE, GROUP, CLUSTER] {
            for prop in table {
                assert!(PropName::new(prop.name).is_ok(), "{}", prop.name);
                assert_eq!(table.iter().filter(|p| p.name.eq_ignore_ascii_case(prop.name)).count(), 1);
            }
        }
    }
}
