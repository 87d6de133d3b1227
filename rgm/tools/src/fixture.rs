//! A cluster to show in tests: the one of the reference's examples.

use rgm_types::view::{
    GroupOnNode, GroupView, NodeView, PropView, ResourceOnNode, ResourceView, Snapshot, TypeView,
};
use rgm_types::{
    GroupName, GroupState, InitNodes, InstalledNodes, NodeName, PropDecl, PropName, PropType, ResourceName,
    ResourceState, ResourceType, Status, SysdefinedType, Tunable, TypeName, Value, props,
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
                attrs: Default::default(),
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

/// Three nodes; nfs-rg as above and a scalable group with a long name, online on two of them, one of
/// its resources in trouble; a third, suspended and unmanaged group is empty.
pub fn wide() -> Snapshot {
    let mut snapshot = nfs();
    let third = "phys-3-with-a-long-name";
    let view = NodeView {
        name: node(third),
        id: 3,
        up: true,
        loads: Default::default(),
        evacuated_for: None,
        attrs: Default::default(),
    };
    snapshot.nodes.push(view);
    let mut web =
        group("webserver-front-rg", &["web-rs", "log-rs"], [GroupState::Online, GroupState::PendingOffline]);
    let set =
        |group: &mut GroupView, name: &str, value| group.props.insert(PropName::new(name).unwrap(), value);
    set(&mut web, "RG_mode", Value::Enum("Scalable".into()));
    set(&mut web, "Maximum_primaries", Value::Int(3));
    set(&mut web, "Desired_primaries", Value::Int(3));
    set(&mut web, "RG_affinities", Value::StringArray(vec!["++nfs-rg".into(), "-b-rg".into()]));
    set(&mut web, "RG_description", Value::String("the web".into()));
    web.nodes.push(GroupOnNode { node: node(third), state: GroupState::OnlineFaulted });
    let mut web_rs =
        resource("webserver-front-rg", "web-rs", (ResourceState::OnlineNotMonitored, Status::Ok), "");
    web_rs.nodes[0].monitored = Some(false);
    web_rs.nodes[1].state = ResourceState::Stopping;
    web_rs.nodes[1].running = Some((rgm_types::Method::Stop, rgm_types::Millis(5)));
    let third_one = ResourceOnNode {
        node: node(third),
        state: ResourceState::StopFailed,
        status: Status::Faulted,
        status_msg: "stop timed\nout".into(),
        ..web_rs.nodes[1].clone()
    };
    web_rs.nodes.push(third_one);
    let deps = Some(Value::StringArray(vec!["nfs-rs{LOCAL_NODE}".into()]));
    web_rs.props.push(prop("Resource_dependencies", false, "", PropType::StringArray, deps));
    web_rs.props.push(prop("Retry_count", false, "", PropType::Int, Some(Value::Int(2))));
    let mut port = prop("Port", true, "Where it listens", PropType::Int, Some(Value::Int(80)));
    port.per_node.insert(node("phys-2"), Value::Int(8080));
    web_rs.props.push(port);
    web_rs.type_name = TypeName::new("SUNW.shq:5").unwrap();
    snapshot.types[0].declaration.props = port_declaration();
    let mut log_rs = resource("webserver-front-rg", "log-rs", (ResourceState::Offline, Status::Offline), "");
    log_rs.type_name = TypeName::new("SUNW.LogicalHostname:2").unwrap();
    log_rs.type_version = "2".into();
    log_rs.nodes.iter_mut().for_each(|on| {
        on.enabled = false;
        on.monitored = None;
    });
    let deps = Some(Value::StringArray(vec!["web-rs".into()]));
    log_rs.props.push(prop("Resource_dependencies_weak", false, "", PropType::StringArray, deps));
    snapshot.resources.extend([web_rs, log_rs]);
    let mut idle = group("idle-rg", &[], [GroupState::Unmanaged; 2]);
    (idle.managed, idle.suspended) = (false, true);
    snapshot.groups.extend([web, idle]);
    snapshot
}

/// A per-node extension property.
fn port_declaration() -> Vec<PropDecl> {
    vec![PropDecl {
        name: PropName::new("Port").unwrap(),
        extension: true,
        per_node: true,
        prop_type: PropType::Int,
        enumlist: vec![],
        tunable: Tunable::WhenDisabled,
        default: Some(Value::Int(80)),
        min: Some(1),
        max: None,
        minlength: None,
        maxlength: None,
        array_minsize: None,
        array_maxsize: None,
        description: "Where it listens".into(),
    }]
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
