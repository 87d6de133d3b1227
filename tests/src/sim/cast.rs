//! The resource types of every simulated cluster: each mixture of methods that makes a difference.

use rgm_types::rt::SysdefinedType;
use rgm_types::{Entry, ResourceType};

/// Their names, a network address last.
pub(crate) const NAMES: [&str; 8] = ["full", "plain", "monitored", "net", "mixed", "late", "mono", "addr"];

/// These types, as the repository holds them.
pub(crate) fn types(names: &[&str]) -> Vec<Entry> {
    let full = "START=a;STOP=b;PRENET_START=c;POSTNET_STOP=d;MONITOR_START=e;MONITOR_STOP=f;MONITOR_CHECK=g;\
                VALIDATE=h;UPDATE=i;INIT=j;FINI=k;BOOT=l;";
    let methods = |name: &str| match name {
        "full" | "mono" => full,
        "plain" => "START=a;STOP=b;",
        "monitored" => "START=a;STOP=b;MONITOR_START=e;MONITOR_STOP=f;UPDATE=i;VALIDATE=h;",
        "net" => "PRENET_START=c;POSTNET_STOP=d;MONITOR_CHECK=g;",
        "mixed" => "PRENET_START=c;STOP=b;INIT=j;BOOT=l;",
        "late" => "START=a;POSTNET_STOP=d;FINI=k;MONITOR_START=e;MONITOR_STOP=f;",
        _ => "PRENET_START=c;START=a;STOP=b;POSTNET_STOP=d;MONITOR_CHECK=g;",
    };
    names.iter().filter_map(|name| parse(name, methods(name))).map(Entry::Type).collect()
}

/// `mono` and `addr` may only be in failover groups.
fn parse(name: &str, methods: &str) -> Option<ResourceType> {
    let failover = if matches!(name, "mono" | "addr") { "TRUE" } else { "FALSE" };
    let text = format!(
        "RESOURCE_TYPE={name};VENDOR_ID=SIM;RT_VERSION=1;RT_BASEDIR=/sim;FAILOVER={failover};{methods}\
         {{PROPERTY=Retry_count;DEFAULT=2;TUNABLE=ANYTIME;}}{{PROPERTY=Retry_interval;DEFAULT=60;TUNABLE=ANYTIME;}}\
         {{PROPERTY=Network_resources_used;DEFAULT=\"\";TUNABLE=ANYTIME;}}\
         {{PROPERTY=Colour;EXTENSION;STRING;DEFAULT=red;TUNABLE=ANYTIME;}}\
         {{PROPERTY=Shade;EXTENSION;PER_NODE;STRING;DEFAULT=dark;TUNABLE=ANYTIME;}}"
    );
    let mut rt = rtr_parser::parse(name, text.as_bytes()).resource_type?;
    if name == "addr" {
        rt.sysdefined = SysdefinedType::RtrLogicalHostname;
    }
    Some(rt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_cast_can_be_read() {
        assert_eq!(types(&NAMES).len(), NAMES.len());
    }
}
