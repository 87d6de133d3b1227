//! One of everything that goes over the wire, and a few more where kinds differ.
//!
//! The functions that name a kind have no wildcard: a new word does not compile until it is named.

use rgm_api::rgm::{
    Endpoint, EventsEnd, EventsGone, Health, Info, Life, LinkView, Member, President, Quorum, Reply, Request,
    Voter,
};
use rgm_types::view::{
    EventRecord, Explanation, GroupOnNode, GroupView, Level, NodeVerdict, NodeView, Pending, PropView,
    ResourceOnNode, ResourceView, Snapshot, TypeView,
};
use rgm_types::{
    AttrName, Attrs, Bring, Command, ControlOp, Done, GetValue, GroupName, GroupState, InstalledNodes,
    Lifetime, Method, Millis, NodeName, PlannedStep, Progress, PropClass, PropDecl, PropName, PropOp,
    PropSet, PropType, Query, ResourceName, ResourceState, ResourceType, Status, Subject, SysdefinedType,
    Tunable, TypeName, UpgradeTunability, Value,
};
use std::collections::BTreeSet;

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}
fn groups() -> Vec<GroupName> {
    vec![GroupName::new("dns-rg").unwrap(), GroupName::new("nfs-rg").unwrap()]
}
fn resource() -> ResourceName {
    ResourceName::new("dns-rs").unwrap()
}
fn prop(name: &str) -> PropName {
    PropName::new(name).unwrap()
}
fn attr(name: &str) -> AttrName {
    AttrName::new(name).unwrap()
}
fn text(text: &str) -> String {
    text.to_owned()
}

/// The name of the command in a request to change, as it is on the wire.
pub fn command_name(request: &Request) -> Option<&'static str> {
    let Request::Change { command, .. } = request else { return None };
    Some(match command {
        Command::TypeRegister { .. } => "type_register",
        Command::TypeSet { .. } => "type_set",
        Command::TypeUnregister { .. } => "type_unregister",
        Command::GroupCreate { .. } => "group_create",
        Command::GroupSet { .. } => "group_set",
        Command::GroupDelete { .. } => "group_delete",
        Command::ResourceCreate { .. } => "resource_create",
        Command::ResourceSet { .. } => "resource_set",
        Command::ResourceDelete { .. } => "resource_delete",
        Command::Switch { .. } => "switch",
        Command::Remaster { .. } => "remaster",
        Command::Online { .. } => "online",
        Command::Offline { .. } => "offline",
        Command::Restart { .. } => "restart",
        Command::Manage { .. } => "manage",
        Command::Unmanage { .. } => "unmanage",
        Command::SetEnabled { .. } => "set_enabled",
        Command::SetMonitored { .. } => "set_monitored",
        Command::ClearStopFailed { .. } => "clear_stop_failed",
        Command::Quiesce { .. } => "quiesce",
        Command::Suspend { .. } => "suspend",
        Command::Resume { .. } => "resume",
        Command::Evacuate { .. } => "evacuate",
        Command::ClusterSet { .. } => "cluster_set",
        Command::LoadLimitSet { .. } => "load_limit_set",
        Command::LoadLimitDelete { .. } => "load_limit_delete",
        Command::NodeAdd { .. } => "node_add",
        Command::NodeRemove { .. } => "node_remove",
        Command::AttrSet { .. } => "attr_set",
        Command::AttrClear { .. } => "attr_clear",
        Command::Batch { .. } => "batch",
        Command::Control { .. } => "control",
        Command::SetStatus { .. } => "set_status",
    })
}

fn declaration() -> ResourceType {
    ResourceType {
        name: TypeName::new("SUNW.sample:1.0").unwrap(),
        base: text("sample"),
        vendor: text("SUNW"),
        version: text("1.0"),
        description: text("Sample Service on Sun Cluster"),
        api_version: 2,
        basedir: text("/opt/SUNWsample/bin"),
        failover: true,
        single_instance: false,
        init_nodes: rgm_types::InitNodes::RgPrimaries,
        installed_nodes: InstalledNodes::Only(vec![node("phys-1")]),
        sysdefined: SysdefinedType::None,
        pkglist: vec![text("SUNWsample")],
        rt_system: false,
        global_zone: false,
        proxy: false,
        methods: [(Method::Start, text("sample_svc_start"))].into(),
        upgrade: Some(vec![(text("0.9"), UpgradeTunability::WhenUnmonitored)]),
        props: vec![PropDecl {
            name: prop("Confdir"),
            extension: true,
            per_node: false,
            prop_type: PropType::StringArray,
            enumlist: Vec::new(),
            tunable: Tunable::AtCreation,
            default: Some(Value::StringArray(vec![text("/etc"), text("")])),
            min: None,
            max: Some(-1),
            minlength: Some(1),
            maxlength: None,
            array_minsize: Some(1),
            array_maxsize: Some(1),
            description: text("The Configuration Directory Path"),
        }],
    }
}

fn prop_sets() -> Vec<PropSet> {
    let set = |class, op, nodes: &[&str]| PropSet {
        name: text("Confdir"),
        class,
        nodes: nodes.iter().map(|name| text(name)).collect(),
        op,
        value: text("/etc/named, \"\\\n\u{0}"),
    };
    vec![
        set(PropClass::Any, PropOp::Set, &[]),
        set(PropClass::Standard, PropOp::Add, &["phys-1", "phys-2"]),
        set(PropClass::Extension, PropOp::Remove, &[]),
    ]
}

fn configuring() -> Vec<Command> {
    let (group, props) = (groups().remove(0), prop_sets());
    vec![
        Command::TypeRegister { declaration: declaration() },
        Command::TypeSet {
            name: text("sample"),
            installed_nodes: Some(InstalledNodes::All),
            rt_system: Some(true),
        },
        Command::TypeUnregister { name: text("sample") },
        Command::GroupCreate { name: text("dns-rg"), props: props.clone() },
        Command::GroupSet { name: group.clone(), props: props.clone() },
        Command::GroupDelete { name: group.clone(), force: false },
        Command::ResourceCreate {
            name: text("dns-rs"),
            type_name: text("SUNW.sample"),
            group,
            props: props.clone(),
            enable: true,
        },
        Command::ResourceSet { name: resource(), props },
        Command::ResourceDelete { name: resource(), force: true },
    ]
}

fn switching() -> Vec<Command> {
    let (nodes, resources) = (vec![node("phys-1"), node("phys-2")], vec![resource()]);
    vec![
        Command::Switch { groups: groups(), nodes: nodes.clone(), with: Bring::default() },
        Command::Remaster { groups: groups() },
        Command::Online { groups: Vec::new(), nodes: nodes.clone(), with: Bring::ALL },
        Command::Offline { groups: groups(), nodes: Vec::new() },
        Command::Restart { groups: groups(), nodes: nodes.clone() },
        Command::Manage { groups: groups() },
        Command::Unmanage { groups: groups() },
        Command::SetEnabled { resources: resources.clone(), nodes: nodes.clone(), on: true, recursive: true },
        Command::SetMonitored { resources: resources.clone(), nodes: nodes.clone(), on: false },
        Command::ClearStopFailed { resources, nodes: nodes.clone() },
        Command::Quiesce { groups: groups(), kill: true },
        Command::Suspend { groups: groups(), kill: false },
        Command::Resume { groups: groups() },
        Command::ClusterSet { props: Vec::new() },
        Command::LoadLimitSet { node: node("phys-1"), name: text("memory"), soft: Some(1), hard: Some(-1) },
        Command::LoadLimitDelete { node: node("phys-1"), name: text("memory") },
        Command::NodeAdd { node: node("phys-3") },
        Command::NodeRemove { node: node("phys-3") },
        Command::Batch { commands: vec![Command::Resume { groups: groups() }] },
        Command::Evacuate { nodes, sticky_secs: 60 },
        Command::Control { op: ControlOp::Giveover, group: text("dns-rg"), resource: text("dns-rs") },
        Command::SetStatus {
            group: text("dns-rg"),
            resource: text("dns-rs"),
            status: Status::Degraded,
            message: Some(text("named is slow")),
        },
        Command::AttrSet {
            node: Some(node("phys-1")),
            lifetime: Lifetime::Forever,
            values: [(attr("site.rack"), text("b2")), (attr("master-db:0"), text(""))].into(),
        },
        Command::AttrClear { node: None, lifetime: None, names: vec![attr("site.rack")] },
    ]
}

/// Every request.
pub fn requests() -> Vec<Request> {
    let mut requests = vec![
        Request::Get(Query::Resource {
            tag: text("EXTENSION"),
            resource: text("dns-rs"),
            group: Some(text("dns-rg")),
            args: vec![text("Confdir")],
        }),
        Request::Get(Query::Group { tag: text("RG_STATE"), group: text("dns-rg"), args: Vec::new() }),
        Request::Get(Query::Type { tag: text("RT_BASEDIR"), type_name: text("SUNW.sample") }),
        Request::Get(Query::Cluster { tag: text("NODENAME_LOCAL"), args: Vec::new() }),
        Request::Snapshot {},
        Request::Explain { subject: Subject::Group(text("dns-rg")) },
        Request::RegisterType {
            file: text("SUNW.sample"),
            text: text("RESOURCE_TYPE = \"sample\";\n"),
            installed_nodes: Some(InstalledNodes::Only(vec![node("phys-1")])),
            dry_run: true,
        },
        Request::Info {},
        Request::Events { after: Some(7), about: Some(text("dns-rg")), follow: true },
    ];
    let commands = configuring().into_iter().chain(switching());
    requests.extend(commands.map(|command| Request::Change { command, dry_run: false }));
    requests.push(Request::Get(Query::NodeAttr {
        name: attr("site.rack"),
        node: Some(text("phys-1")),
        lifetime: Some(Lifetime::Reboot),
    }));
    requests.push(Request::Fence { node: node("phys-2"), dry_run: true });
    requests.push(Request::ConfirmDead { node: node("phys-2") });
    requests.extend([Request::Quorum {}, Request::Leave {}, Request::Join {}]);
    requests
}

fn values() -> Vec<GetValue> {
    vec![
        GetValue::Text(text("SUNW.sample")),
        GetValue::Number(-1),
        GetValue::List(vec![text("phys-1"), text("")]),
        GetValue::Extension { prop_type: PropType::Enum, lines: vec![text("SOFT")] },
        GetValue::Status { status: Status::Ok, message: String::new() },
    ]
}

fn snapshot() -> Snapshot {
    Snapshot {
        cluster: text("planets"),
        props: Default::default(),
        generation: u64::MAX,
        nodes: vec![NodeView {
            name: node("phys-1"),
            id: 1,
            up: true,
            loads: Default::default(),
            evacuated_for: None,
            attrs: Attrs {
                reboot: [(attr("db-score"), text("-5"))].into(),
                forever: [(attr("site.rack"), text("b2"))].into(),
            },
        }],
        types: vec![TypeView { declaration: declaration(), resources: vec![resource()] }],
        groups: vec![GroupView {
            name: groups().remove(0),
            managed: true,
            suspended: false,
            props: [(prop("Failback"), Value::Boolean(true)), (prop("Pingpong_interval"), Value::Int(3600))]
                .into(),
            resources: vec![resource()],
            nodes: vec![GroupOnNode { node: node("phys-1"), state: GroupState::ErrorStopFailed }],
        }],
        resources: vec![ResourceView {
            name: resource(),
            group: groups().remove(0),
            type_name: TypeName::new("SUNW.sample:1.0").unwrap(),
            type_version: text("1.0"),
            description: String::new(),
            props: vec![PropView {
                name: prop("Failover_mode"),
                extension: false,
                prop_type: PropType::Enum,
                description: String::new(),
                value: Some(Value::Enum(text("SOFT"))),
                per_node: [(node("phys-1"), Value::String(text("x")))].into(),
            }],
            nodes: vec![ResourceOnNode {
                node: node("phys-1"),
                enabled: true,
                monitored: None,
                state: ResourceState::Starting,
                status: Status::Unknown,
                status_msg: text("Starting"),
                running: Some((Method::Start, Millis(1))),
            }],
        }],
    }
}

fn explanation() -> Explanation {
    Explanation {
        object: text("resource group dns-rg"),
        summary: text("it is offline"),
        nodes: vec![NodeVerdict {
            node: node("phys-1"),
            state: text("Offline"),
            eligible: false,
            rule: text("the node is down"),
        }],
        reasons: vec![text("START of dns-rs failed twice on node phys-1")],
        waits: vec![Pending { what: text("Pingpong_interval"), left: Some(Millis(1)) }],
        advice: vec![text("clrg online dns-rg")],
    }
}

fn progress() -> Vec<Progress> {
    let (on, resource, method) = (node("phys-1"), resource(), Method::MonitorCheck);
    vec![
        Progress::MethodStarted { node: on.clone(), resource: resource.clone(), method, timeout_secs: 300 },
        Progress::MethodEnded { node: on.clone(), resource, method, ok: false, used: Millis(1) },
        Progress::GroupState { group: groups().remove(0), node: on, state: GroupState::PendingOnlineBlocked },
    ]
}

fn quorum() -> Quorum {
    let life = Life {
        incarnation: 1_763_793_532_123,
        address: text("10.77.0.12:7433"),
        version: text("0.1.0"),
        ttl: Millis(5000),
        left: Some(Millis(4000)),
        parked: false,
        evicted: true,
    };
    let link = LinkView {
        up: false,
        lasts: Millis(12_000),
        silent: Some(Millis(900)),
        why_down: Some(text("it was silent for 1s")),
        ahead_ms: Some(-17),
    };
    let health = Health {
        member: u64::MAX,
        version: text("3.4.23"),
        leader: 0,
        db_size: 20_480,
        revision: 42,
        errors: vec![text("NOSPACE")],
    };
    Quorum {
        cluster: text("planets"),
        seen_by: text("phys-1"),
        waits_for: Some(text("etcd does not answer")),
        from_etcd: false,
        president: Some(President { node: text("phys-2"), epoch: 57 }),
        fail_safe: Some(Millis(1000)),
        deadline: Some(Millis(3000)),
        members: vec![Member { node: text("phys-2"), life: Some(life), link: Some(link) }],
        endpoints: vec![Endpoint { url: text("http://e:2379"), health: Some(health), why_silent: None }],
        voters: vec![Voter { name: text("phys-1"), votes: true, answers: true, leads: false }],
    }
}

/// Every answer.
pub fn replies() -> Vec<Reply> {
    let mut replies: Vec<Reply> = values().into_iter().map(Reply::Value).collect();
    replies.push(Reply::Snapshot(snapshot()));
    replies.push(Reply::Explanation(explanation()));
    replies.extend(progress().into_iter().map(Reply::Progress));
    replies.push(Reply::Event(EventRecord {
        seq: 8,
        at: Millis(1_763_793_532_123),
        level: Level::Warn,
        text: text("resource dns-rs is restarted on node phys-1"),
        event: text("its process died"),
        rule: text("Retry_count 2 within Retry_interval 300 s"),
    }));
    replies.push(Reply::EventsGone(EventsGone { first: 1, last: 6 }));
    replies.push(Reply::EventsEnd(EventsEnd { last: 8 }));
    let step = PlannedStep { wave: 1, node: node("phys-1"), resource: resource(), method: Method::Stop };
    replies.push(Reply::Done(Done { messages: vec![text("remark")], plan: vec![step] }));
    replies.push(Reply::Info(Info {
        version: text("0.1.0"),
        pid: u32::MAX,
        node: text("phys-1"),
        nodes: vec![text("phys-1")],
        cluster: text("planets"),
    }));
    replies.push(Reply::Quorum(quorum()));
    let kinds: BTreeSet<&str> = replies.iter().map(reply_name).collect();
    assert_eq!(kinds.len(), REPLY_KINDS, "an example of each kind of answer");
    replies
}

/// Kinds of answers, values and progress that [`reply_name`] tells apart.
const REPLY_KINDS: usize = 16;

fn reply_name(reply: &Reply) -> &'static str {
    match reply {
        Reply::Value(GetValue::Text(_)) => "text",
        Reply::Value(GetValue::Number(_)) => "number",
        Reply::Value(GetValue::List(_)) => "list",
        Reply::Value(GetValue::Extension { .. }) => "extension",
        Reply::Value(GetValue::Status { .. }) => "status",
        Reply::Snapshot(_) => "snapshot",
        Reply::Explanation(_) => "explanation",
        Reply::Progress(Progress::MethodStarted { .. }) => "method started",
        Reply::Progress(Progress::MethodEnded { .. }) => "method ended",
        Reply::Progress(Progress::GroupState { .. }) => "group state",
        Reply::Event(_) => "event",
        Reply::EventsGone(_) => "events gone",
        Reply::EventsEnd(_) => "events end",
        Reply::Done(_) => "done",
        Reply::Quorum(_) => "quorum",
        Reply::Info(_) => "info",
    }
}
