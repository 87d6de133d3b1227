//! A cluster to show in tests: the one of the reference's examples.

use rgm_types::view::{
    GroupOnNode, GroupView, NodeView, PropView, ResourceOnNode, ResourceView, Snapshot, TypeView,
};
use rgm_types::{
    GroupName, GroupState, InitNodes, InstalledNodes, NodeName, PropName, PropType, ResourceName,
    ResourceState, ResourceType, Status, SysdefinedType, TypeName, Value, props,
};
use std::collections::BTreeMap;

/// A node's name.
pub fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn resource_name(name: &str) -> ResourceName {
    ResourceName::new(name).unwrap()
}

/// Two nodes, nothing configured.
pub fn empty() -> Snapshot {
    let nodes = [("phys-1", 1, true), ("phys-2", 2, false)];
    Snapshot {
        cluster: "demo".into(),
        props: Default::default(),
        generation: 7,
        nodes: nodes
            .map(|(name, id, up)| NodeView {
                name: node(name),
                id,
                up,
                loads: Default::default(),
                evacuated_for: None,
            })
            .into(),
        types: vec![],
        groups: vec![],
        resources: vec![],
    }
}

/// nfs-rg online on phys-1 with three resources.
pub fn nfs() -> Snapshot {
    let mut snapshot = empty();
    snapshot.types.push(TypeView { declaration: shq(), resources: vec![] });
    snapshot.groups.push(group(
        "nfs-rg",
        &["nfs-lh", "nfs-stor", "nfs-rs"],
        [GroupState::Online, GroupState::Offline],
    ));
    let online = (ResourceState::Online, Status::Ok);
    snapshot.resources.push(resource("nfs-rg", "nfs-lh", online, "LogicalHostname online."));
    snapshot.resources.push(resource("nfs-rg", "nfs-stor", online, ""));
    snapshot.resources.push(resource("nfs-rg", "nfs-rs", online, "Service is online."));
    snapshot
}

/// The type SUNW.shq:5.
fn shq() -> ResourceType {
    ResourceType {
        name: TypeName::new("SUNW.shq:5").unwrap(),
        base: "shq".into(),
        vendor: "SUNW".into(),
        version: "5".into(),
        description: "Shared file system agent".into(),
        api_version: 3,
        basedir: "/opt/SUNWshq/sc/bin".into(),
        failover: true,
        single_instance: false,
        init_nodes: InitNodes::RgPrimaries,
        installed_nodes: InstalledNodes::All,
        sysdefined: SysdefinedType::None,
        pkglist: vec![],
        rt_system: false,
        global_zone: false,
        proxy: false,
        methods: BTreeMap::new(),
        upgrade: Some(vec![]),
        props: vec![],
    }
}

/// A managed group on both nodes, its properties at their defaults.
pub fn group(name: &str, resources: &[&str], states: [GroupState; 2]) -> GroupView {
    let value = |p: &props::SystemProp| match (p.prop_type, p.default.unwrap_or_default()) {
        (PropType::Int, text) => Value::Int(text.parse().unwrap()),
        (PropType::Boolean, text) => Value::Boolean(text == "TRUE"),
        (PropType::Enum, text) => Value::Enum(text.into()),
        (PropType::String, text) => Value::String(text.into()),
        (PropType::StringArray, "") => Value::StringArray(vec![]),
        (PropType::StringArray, text) => Value::StringArray(vec![text.into()]),
    };
    let mut props: BTreeMap<PropName, Value> =
        props::GROUP.iter().map(|p| (PropName::new(p.name).unwrap(), value(p))).collect();
    let nodelist = Value::StringArray(vec!["phys-1".into(), "phys-2".into()]);
    props.insert(PropName::new("Nodelist").unwrap(), nodelist);
    let [first, second] = states;
    GroupView {
        name: GroupName::new(name).unwrap(),
        managed: true,
        suspended: false,
        props,
        resources: resources.iter().map(|r| resource_name(r)).collect(),
        nodes: vec![
            GroupOnNode { node: node("phys-1"), state: first },
            GroupOnNode { node: node("phys-2"), state: second },
        ],
    }
}

/// An enabled resource: as said on phys-1, offline on phys-2.
pub fn resource(group: &str, name: &str, here: (ResourceState, Status), message: &str) -> ResourceView {
    let on = |name: &str, (state, status), message: &str| ResourceOnNode {
        node: node(name),
        enabled: true,
        monitored: Some(true),
        state,
        status,
        status_msg: message.into(),
        running: None,
    };
    ResourceView {
        name: resource_name(name),
        group: GroupName::new(group).unwrap(),
        type_name: TypeName::new("SUNW.nfs:3.2").unwrap(),
        type_version: "3.2".into(),
        description: String::new(),
        props: vec![],
        nodes: vec![on("phys-1", here, message), on("phys-2", (ResourceState::Offline, Status::Offline), "")],
    }
}

/// A property of a resource.
pub fn prop(
    name: &str,
    extension: bool,
    description: &str,
    prop_type: PropType,
    value: Option<Value>,
) -> PropView {
    PropView {
        name: PropName::new(name).unwrap(),
        extension,
        prop_type,
        description: description.into(),
        value,
        per_node: BTreeMap::new(),
    }
}
