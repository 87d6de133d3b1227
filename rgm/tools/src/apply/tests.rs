//! What differs, in lines; and in which order it is carried out.

use super::file::{Declared, parse};
use super::*;
use crate::fixture;
use rgm_types::view::{LoadView, Snapshot};
use rgm_types::{Command, GroupState, Lifetime, LoadLimit, PropDecl, PropName, PropType, Tunable, Value};

/// The cluster of the examples: nfs-rs needs nfs-stor, and its Retry_count may be changed while it is
/// disabled only.
fn cluster() -> Snapshot {
    let mut snapshot = fixture::nfs();
    let decl = |name: &str, prop_type, tunable| PropDecl {
        name: PropName::new(name).unwrap(),
        extension: false,
        per_node: false,
        prop_type,
        enumlist: vec![],
        tunable,
        default: None,
        min: None,
        max: None,
        minlength: None,
        maxlength: None,
        array_minsize: None,
        array_maxsize: None,
        description: String::new(),
    };
    snapshot.types[0].declaration.props = vec![
        decl("Retry_count", PropType::Int, Tunable::WhenDisabled),
        decl("Start_timeout", PropType::Int, Tunable::Anytime),
    ];
    let depends = Value::StringArray(vec!["nfs-stor".into()]);
    let prop = fixture::prop;
    for r in &mut snapshot.resources {
        r.type_name = "SUNW.shq:5".parse().unwrap();
        r.props = vec![
            prop("Retry_count", false, "", PropType::Int, Some(Value::Int(2))),
            prop("Start_timeout", false, "", PropType::Int, Some(Value::Int(300))),
        ];
    }
    snapshot.resources[2].props.push(prop(
        "Resource_dependencies",
        false,
        "",
        PropType::StringArray,
        Some(depends),
    ));
    let limit = Some(LoadLimit { soft: 1, hard: None });
    snapshot.nodes[0].loads.insert("memory".into(), LoadView { load: 0, limit });
    let attrs = &mut snapshot.nodes[0].attrs;
    attrs.forever.insert("site.rack".parse().unwrap(), "b2".into());
    attrs.forever.insert("old".parse().unwrap(), "1".into());
    attrs.reboot.insert("site.room".parse().unwrap(), "passing".into());
    snapshot
}

/// What is there, declared.
const AS_IT_IS: &str = r#"
[nodes.phys-1.loads]
memory = { soft = 1 }

[groups.nfs-rg]
state = "online"
properties = { Nodelist = ["phys-1", "phys-2"], Pingpong_interval = 3600, failback = false, RG_mode = "failover" }

[groups.nfs-rg.resources]
nfs-lh = { type = "SUNW.shq:5" }
nfs-stor = { type = "SUNW.shq", properties = { Start_timeout = 300 } }
nfs-rs = { type = "shq", properties = { Retry_count = 2, Resource_dependencies = ["nfs-stor"] } }
"#;

fn difference(text: &str, prune: bool) -> Difference {
    Difference::between(&parse(text).unwrap(), &cluster(), prune).unwrap()
}

/// A word for each command, and the objects it names.
fn commands(difference: Difference) -> Vec<String> {
    let Some(Command::Batch { commands }) = difference.command() else { return Vec::new() };
    let word = |command: &Command| {
        let json = serde_json::to_value(command).unwrap();
        let (kind, fields) = json.as_object().unwrap().iter().next().unwrap();
        let named = ["name", "resources", "groups"].iter().find_map(|key| fields.get(*key));
        let on = fields.get("on").map_or(String::new(), |on| format!(" {on}"));
        format!("{kind} {}{on}", named.map(ToString::to_string).unwrap_or_default()).replace('"', "")
    };
    commands.iter().map(word).collect()
}

#[test]
fn what_is_as_declared_changes_nothing_whatever_its_spelling() {
    for prune in [false, true] {
        let difference = difference(AS_IT_IS, prune);
        assert_eq!(difference.text(), "nothing to change\n");
        assert_eq!(difference.command(), None);
    }
}

#[test]
fn a_change_is_shown_object_by_object_and_carried_out_in_a_safe_order() {
    let text = r#"
[cluster]
Concentrate_load = true
[nodes.phys-1.loads]
memory = { soft = 2, hard = 4 }
cpu = { hard = 8 }
[groups.web-rg]
state = "online"
properties = { Nodelist = ["phys-2"], RG_affinities = ["++nfs-rg"] }
[groups.web-rg.resources]
web = { type = "shq", enabled = ["phys-2"], properties = { Resource_dependencies = ["web-db{LOCAL_NODE}"] } }
web-db = { type = "shq", monitored = false }
[groups.idle-rg]
[groups.nfs-rg]
state = "online"
properties = { Pingpong_interval = 10 }
[groups.nfs-rg.resources]
nfs-stor = { type = "shq", properties = { Retry_count = 5 } }
nfs-lh = { type = "shq", enabled = ["phys-2"], properties = { Start_timeout = 5 } }
"#;
    let shown = difference(text, false);
    insta::assert_snapshot!(shown.text());
    let expected = [
        "cluster_set ",
        "load_limit_set cpu",
        "load_limit_set memory",
        // Only what needs the changed one is disabled with it, and before it.
        "set_enabled [nfs-rs,nfs-stor] false",
        "set_enabled [nfs-lh] false",
        "group_create idle-rg",
        "group_create web-rg",
        "group_set nfs-rg",
        "group_set web-rg",
        "resource_create web-db",
        "resource_create web",
        "resource_set nfs-lh",
        "resource_set nfs-stor",
        "set_monitored [web-db] false",
        "set_enabled [nfs-stor,web-db] true",
        "set_enabled [web] true",
        "set_enabled [nfs-rs] true",
        "online [web-rg]",
    ];
    assert_eq!(commands(shown), expected);
}

#[test]
fn what_is_not_named_stays_or_goes_dependents_first() {
    let text = "[groups.nfs-rg.resources]\nnfs-lh = { type = \"shq\" }\n[nodes.phys-1.loads]\nnew = {}";
    assert!(difference(text, false).text().lines().all(|line| !line.starts_with("- ")));
    let pruned = difference(text, true);
    let text = pruned.text();
    assert!(text.contains("- load limit memory of node phys-1\n"), "{text}");
    assert!(text.contains("- resource nfs-rs\n- resource nfs-stor\n"), "{text}");
    let deletions: Vec<String> =
        commands(pruned).into_iter().filter(|command| command.contains("delete")).collect();
    assert_eq!(deletions, ["load_limit_delete memory", "resource_delete nfs-rs", "resource_delete nfs-stor"]);
    let everything = difference("", true);
    assert_eq!(commands(everything), ["group_delete nfs-rg", "type_unregister SUNW.shq:5"]);
}

#[test]
fn lasting_attributes_of_nodes_are_declared_like_load_limits() {
    let text = "[nodes.phys-1.attributes]\n\"site.rack\" = \"b2\"\n\"site.room\" = 7\nold = \"\"\n";
    let shown = difference(text, false);
    assert_eq!(
        shown.text(),
        "~ attribute old of node phys-1\n    1 -> \"\"\n+ attribute site.room of node phys-1\n    7\n"
    );
    let Some(Command::Batch { commands }) = shown.command() else { panic!("nothing is done") };
    let lasting = |c: &Command| matches!(c, Command::AttrSet { lifetime: Lifetime::Forever, .. });
    assert!(commands.len() == 2 && commands.iter().all(lasting), "{commands:?}");
    let text = "[nodes.phys-1.attributes]\n\"site.rack\" = \"b2\"";
    assert_eq!(difference(text, false).text(), "nothing to change\n");
    let pruned = difference(text, true).text();
    assert!(pruned.starts_with("- attribute old of node phys-1\n") && !pruned.contains("site.r"), "{pruned}");
    let error = parse("[nodes.n.attributes]\na = [1]").unwrap_err();
    assert!(error.contains("a text or a number"), "{error}");
}

#[test]
fn a_group_is_brought_from_every_state_to_every_other() {
    let (online, offline) = (GroupState::Online, GroupState::Offline);
    for (managed, state, wanted, expected) in [
        (true, online, "offline", &["offline [nfs-rg]"][..]),
        (true, offline, "online", &["online [nfs-rg]"]),
        (true, GroupState::OnlineFaulted, "online", &[]),
        (true, GroupState::PendingOffline, "offline", &["offline [nfs-rg]"]),
        (false, GroupState::Unmanaged, "unmanaged", &[]),
        (false, GroupState::Unmanaged, "offline", &["manage [nfs-rg]"]),
        (false, GroupState::Unmanaged, "online", &["online [nfs-rg]"]),
        (
            true,
            online,
            "unmanaged",
            &[
                "offline [nfs-rg]",
                "set_enabled [nfs-rs,nfs-stor,nfs-lh] false",
                "unmanage [nfs-rg]",
                "set_enabled [nfs-lh,nfs-stor,nfs-rs] true",
            ],
        ),
    ] {
        let mut snapshot = cluster();
        snapshot.groups[0].managed = managed;
        snapshot.groups[0].nodes.iter_mut().for_each(|on| on.state = GroupState::Offline);
        snapshot.groups[0].nodes[0].state = state;
        let declared: Declared = parse(&format!("[groups.nfs-rg]\nstate = \"{wanted}\"")).unwrap();
        let difference = Difference::between(&declared, &snapshot, false).unwrap();
        assert_eq!(commands(difference), expected, "{managed} {state:?} -> {wanted}");
    }
}

#[test]
fn what_is_not_understood_or_not_possible_is_refused_with_the_reason() {
    for (text, reason) in [
        ("[groups.g]\nstaet = \"online\"", "staet"),
        ("[groups.g]\nstate = \"up\"", "unknown variant `up`"),
        ("[groups.-g]", "-g"),
        ("[groups.g.resources.r]\nenabled = true", "missing field `type`"),
        ("[groups.g.resources.r]\ntype = \"t\"\nenabled = 1", "true, false, or a list of nodes"),
        (
            "[groups.g.resources.r]\ntype = \"t\"\n[groups.h.resources.r]\ntype = \"t\"",
            "in group g and in group h",
        ),
        ("[groups.g.properties]\n\"Nodelist+\" = \"a\"", "no name of a property"),
        ("[cluster]\nX = 1.5", "a text, number, boolean or list"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(reason), "{text}: {error}");
    }
    for (text, reason) in [
        ("[groups.h.resources.nfs-rs]\ntype = \"shq\"", "its group is nfs-rg"),
        ("[groups.nfs-rg.resources.nfs-rs]\ntype = \"other\"", "its type is SUNW.shq:5"),
    ] {
        let failure = Difference::between(&parse(text).unwrap(), &cluster(), false).unwrap_err();
        assert!(failure.cl_code().code() == 37 && failure.text("cluster").contains(reason));
    }
}

#[test]
fn the_example_of_the_page_is_understood() {
    let page = include_str!("../../../../docs/operations/apply.md");
    let (_, behind) = page.split_once("```toml\n").unwrap();
    let declared = parse(behind.split_once("```").unwrap().0).unwrap();
    assert_eq!((declared.groups.len(), declared.resources.len(), declared.limits.len()), (1, 2, 1));
    assert_eq!(declared.resources[1].props[0].nodes, ["phys-1"]);
}
