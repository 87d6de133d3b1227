//! Resource types as an RTR file declares them (reference 1.4 to 1.8).

use crate::{Method, NodeName, PropName, PropType, Tunable, TypeName, Value};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Highest API_version this manager supports; a file that asks for more is refused (reference 1.6).
pub const API_VERSION_MAX: i64 = 9;

/// Where Init, Fini, Boot and Validate run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InitNodes {
    /// Nodes of the group's Nodelist.
    #[default]
    RgPrimaries,
    /// Nodes the type is installed on.
    RtInstalledNodes,
}

/// Nodes a type may be used on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstalledNodes {
    /// `*`: every node, later ones included.
    #[default]
    All,
    /// These.
    Only(Vec<NodeName>),
}

/// Marks the two network-address types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the words of the file")]
pub enum SysdefinedType {
    #[default]
    None,
    RtrLogicalHostname,
    RtrSharedAddress,
}

/// When Type_version of an existing resource may change to the type that says so (reference 1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the words of the file; reference 1.5 has the table")]
pub enum UpgradeTunability {
    Anytime,
    WhenUnmonitored,
    WhenOffline,
    WhenDisabled,
    WhenUnmanaged,
    AtCreation,
}

/// A property that resources of a type have: declared by the file, or made by the manager for a
/// declared method (`<Method>_timeout`, reference 1.8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropDecl {
    /// Name; for system-defined ones in canonical capitalisation.
    pub name: PropName,
    /// True for an extension property, false for a system-defined one.
    pub extension: bool,
    /// The value may differ from node to node.
    pub per_node: bool,
    /// Data type.
    pub prop_type: PropType,
    /// The words of an enum, in declared order; empty otherwise.
    pub enumlist: Vec<String>,
    /// When it may be changed; `None` in the file means the property's own default.
    pub tunable: Tunable,
    /// Value of a resource that gives none. Without one the administrator must give it at creation.
    pub default: Option<Value>,
    /// Lowest int.
    pub min: Option<i64>,
    /// Highest int.
    pub max: Option<i64>,
    /// Shortest text (each element of an array), bytes.
    pub minlength: Option<u64>,
    /// Longest text (each element of an array), bytes.
    pub maxlength: Option<u64>,
    /// Fewest elements.
    pub array_minsize: Option<u64>,
    /// Most elements.
    pub array_maxsize: Option<u64>,
    /// Help text; extension properties only.
    pub description: String,
}

/// A registered resource type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceType {
    /// Full name: `[vendor.]base[:version]`.
    pub name: TypeName,
    /// Resource_type of the file.
    pub base: String,
    /// Vendor_id, empty where none.
    pub vendor: String,
    /// RT_version.
    pub version: String,
    /// RT_description.
    pub description: String,
    /// API_version.
    pub api_version: i64,
    /// RT_basedir, empty where every method path is absolute.
    pub basedir: String,
    /// Failover: no resource of the type in a group that may be online on several nodes.
    pub failover: bool,
    /// At most one resource of the type in the cluster.
    pub single_instance: bool,
    /// Init_nodes.
    pub init_nodes: InitNodes,
    /// Installed_nodes (administrator only, never in the file).
    pub installed_nodes: InstalledNodes,
    /// Sysdefined_type.
    pub sysdefined: SysdefinedType,
    /// Pkglist.
    pub pkglist: Vec<String>,
    /// RT_system: may not be unregistered or edited.
    pub rt_system: bool,
    /// Global_zone: kept and shown, without effect on Linux.
    pub global_zone: bool,
    /// Proxy: kept and shown, without effect on Linux.
    pub proxy: bool,
    /// Declared methods and their paths as declared.
    pub methods: BTreeMap<Method, String>,
    /// `#$upgrade_from` lines (version, tunability); `None` where the file has no `#$upgrade`.
    pub upgrade: Option<Vec<(String, UpgradeTunability)>>,
    /// Properties its resources have, in file order, the implicit `<Method>_timeout`s behind them.
    pub props: Vec<PropDecl>,
}

impl ResourceType {
    /// The declaration of a property, by name in any case.
    pub fn prop(&self, name: &str) -> Option<&PropDecl> {
        self.props.iter().find(|p| p.name.is(name))
    }

    /// True if the type declares this method.
    pub fn has(&self, method: Method) -> bool {
        self.methods.contains_key(&method)
    }

    /// The path to execute for a method: RT_basedir before a relative one (reference 4.1).
    pub fn method_path(&self, method: Method) -> Option<String> {
        let path = self.methods.get(&method)?;
        if path.starts_with('/') {
            return Some(path.clone());
        }
        Some(alloc::format!("{}/{path}", self.basedir.trim_end_matches('/')))
    }

    /// The full name these parts make (reference 1.9).
    pub fn full_name(vendor: &str, base: &str, version: &str, upgrade_aware: bool) -> String {
        let mut name = String::new();
        if !vendor.is_empty() {
            name.push_str(vendor);
            name.push('.');
        }
        name.push_str(base);
        if upgrade_aware {
            name.push(':');
            name.push_str(version);
        }
        name
    }

    /// True if the type may be used on this node.
    pub fn installed_on(&self, node: &NodeName) -> bool {
        match &self.installed_nodes {
            InstalledNodes::All => true,
            InstalledNodes::Only(nodes) => nodes.contains(node),
        }
    }
}
