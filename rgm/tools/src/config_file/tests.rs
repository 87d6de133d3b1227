//! A file gives back what went into it, for the cluster of the examples and for random ones.

use super::*;
use crate::fixture;
use proptest::prelude::*;
use rgm_types::view::{LoadView, TypeView};
use rgm_types::{Command, InstalledNodes, Method, PropDecl, PropType, Tunable, UpgradeTunability};

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

fn prop_name(text: &str) -> PropName {
    PropName::new(text).unwrap()
}

/// The cluster of the examples with something of everything.
fn example() -> Snapshot {
    let mut snapshot = fixture::nfs();
    snapshot.props.insert(prop_name("Concentrate_load"), Value::Boolean(true));
    let limit = LoadLimit { soft: 3, hard: Some(9) };
    snapshot.nodes[0].loads.insert("memory".into(), LoadView { load: 5, limit: Some(limit) });
    snapshot.nodes[0].attrs.forever.insert(name("site.rack"), "b2, \"upper\"".into());
    snapshot.nodes[0].attrs.forever.insert(name("empty"), String::new());
    snapshot.nodes[1].attrs.reboot.insert(name("passing"), "1".into());
    snapshot.nodes[1].loads.insert("cpu".into(), LoadView { load: 5, limit: None });
    let rt = &mut snapshot.types[0].declaration;
    rt.methods.insert(Method::Start, "start".into());
    rt.installed_nodes = InstalledNodes::Only(vec![name("phys-1")]);
    rt.upgrade = Some(vec![("4".into(), UpgradeTunability::WhenOffline)]);
    let decl = |name: &str, prop_type, default| PropDecl {
        name: prop_name(name),
        extension: name == "Hosts",
        per_node: false,
        prop_type,
        enumlist: vec![],
        tunable: Tunable::Anytime,
        default,
        min: None,
        max: Some(-4),
        minlength: Some(0),
        maxlength: None,
        array_minsize: None,
        array_maxsize: Some(7),
        description: "two\nlines & a <tag>".into(),
    };
    let odd = Value::StringArray(vec!["a,b".into(), String::new()]);
    rt.props.push(decl("Hosts", PropType::StringArray, Some(odd)));
    rt.props.push(decl("Retry_count", PropType::Int, Some(Value::Int(2))));
    rt.props.push(PropDecl { enumlist: vec!["X".into(), "Y".into()], ..decl("Mode", PropType::Enum, None) });
    let r = &mut snapshot.resources[2];
    r.type_name = name("SUNW.shq:5");
    let depends = Value::StringArray(vec!["nfs-stor{LOCAL_NODE}".into(), "nfs-lh".into()]);
    r.props = vec![
        fixture::prop("Resource_dependencies", false, "", PropType::StringArray, Some(depends)),
        fixture::prop("Retry_count", false, "", PropType::Int, Some(Value::Int(2))),
        fixture::prop("Mode", true, "", PropType::Enum, Some(Value::Enum("Y".into()))),
        fixture::prop("Unset", true, "", PropType::String, None),
    ];
    r.props[2].per_node.insert(name("phys-2"), Value::Enum("X".into()));
    r.nodes[1].enabled = false;
    r.nodes[0].monitored = Some(false);
    snapshot.resources[0].nodes.iter_mut().for_each(|on| on.monitored = None);
    // It comes before what it needs.
    snapshot.resources.reverse();
    snapshot
}

#[test]
fn a_file_of_everything_is_as_it_was_and_gives_it_back() {
    let snapshot = example();
    let text = export(&snapshot, &Selection::All);
    insta::assert_snapshot!(text);
    assert_eq!(import(&text).unwrap(), Configuration::of(&snapshot, &Selection::All));
}

#[test]
fn what_makes_it_goes_in_an_order_in_which_it_can() {
    let commands = import(&export(&example(), &Selection::All)).unwrap().commands([].iter());
    let names: Vec<String> = commands
        .iter()
        .map(|command| {
            let text = serde_json::to_value(command).unwrap();
            let (kind, fields) = text.as_object().unwrap().iter().next().unwrap();
            let named = ["name", "resources", "groups"].iter().find_map(|key| fields.get(*key));
            format!("{kind} {}", named.map(ToString::to_string).unwrap_or_default().replace('"', ""))
        })
        .collect();
    let expected = [
        "cluster_set ",
        "load_limit_set memory",
        "attr_set ",
        "type_register ",
        "group_create nfs-rg",
        "resource_create nfs-stor",
        "resource_create nfs-lh",
        "resource_create nfs-rs",
        "set_enabled [nfs-stor,nfs-lh]",
        "set_enabled [nfs-rs]",
        "set_monitored [nfs-rs]",
        "manage [nfs-rg]",
    ];
    assert_eq!(names, expected);
    let given = commands.iter().find_map(|command| {
        let Command::ResourceCreate { name, props, .. } = command else { return None };
        let given = props.iter().map(|p| format!("{}{:?}={}", p.name, p.nodes, p.value));
        (name == "nfs-rs").then(|| given.collect::<Vec<_>>())
    });
    let expected = ["Resource_dependencies[]=nfs-stor{LOCAL_NODE},nfs-lh", "Mode[]=Y", "Mode[\"phys-2\"]=X"];
    assert_eq!(given.unwrap(), expected, "what is at its default is not given");
}

#[test]
fn only_what_is_selected_is_in_the_file() {
    let snapshot = example();
    let of = |selection| import(&export(&snapshot, &selection)).unwrap();
    let conf = of(Selection::Resources(vec![name("nfs-lh")]));
    assert!(conf.cluster.is_none() && conf.groups.is_empty() && conf.types.is_empty());
    assert_eq!(conf.resources.len(), 1);
    assert_eq!(of(Selection::Groups(vec![name("nfs-rg")])).groups.len(), 1);
    assert_eq!(of(Selection::Types(vec![name("SUNW.shq:5")])).types.len(), 1);
    assert_eq!(of(Selection::Nodes(vec![name("phys-2")])).nodes.len(), 1);
    let only = of(Selection::All).only(&[name("nfs-rs")], &[]);
    assert_eq!((only.resources.len(), only.groups.len(), only.types.len()), (1, 0, 1));
}

#[test]
fn what_is_not_known_is_refused_with_its_line_and_not_lost() {
    let text = export(&example(), &Selection::All);
    for (from, to, reason) in [
        ("<nodeList>", "<nodeList colour=\"red\">", "attribute colour"),
        ("<nodeList>", "<quorum/><nodeList>", "<quorum>"),
        ("managed=\"true\"", "managed=\"yes\"", "managed=\"yes\""),
        ("managed=\"true\" ", "", "has no managed"),
        ("state=\"enabled\"", "state=\"on\"", "enabled or disabled"),
        ("type=\"int\" value=\"2\"", "type=\"int\" value=\"two\"", "no whole number"),
        ("<loadlimit ", "<loadLimit ", "<loadLimit>"),
        ("name=\"nfs-rg\"", "name=\"-rg\"", "-rg"),
        ("type=\"START\"", "type=\"BEGIN\"", "BEGIN"),
        ("<cluster name", "<clutser name", "expected"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = import(&text.replacen(from, to, 1)).unwrap_err();
        assert!(error.to_string().starts_with("line ") && error.reason.contains(reason), "{to}: {error}");
    }
}

fn value() -> impl Strategy<Value = Value> {
    let text = "[ -+\\--~\u{e9}\t]{0,12}";
    prop_oneof![
        text.prop_map(Value::String),
        any::<i64>().prop_map(Value::Int),
        any::<bool>().prop_map(Value::Boolean),
        text.prop_map(Value::Enum),
        // What a list may have: no commas in elements, and no empty ones.
        prop::collection::vec("[ -+\\--~]{1,6}", 0..4).prop_map(Value::StringArray),
    ]
}

prop_compose! {
    fn prop_view()(
        name in "[A-Z][a-z_]{1,8}", extension: bool, value in prop::option::of(value()), other in value(),
        per_node: bool,
    ) -> PropView {
        let prop_type = value.as_ref().unwrap_or(&other).prop_type();
        let mut view = fixture::prop(&name, extension, "", prop_type, value);
        if per_node || view.value.is_none() {
            view.per_node.insert(fixture::node("phys-2"), other);
        }
        view
    }
}

prop_compose! {
    fn declaration()(
        default in prop::option::of(value()), texts in prop::collection::vec("[^\\x00]{0,8}", 5),
        numbers in prop::collection::vec(prop::option::of(any::<u64>()), 4),
        flags in prop::collection::vec(any::<bool>(), 5), version in "[0-9]{1,3}",
        words in prop::collection::vec("[A-Z]{1,4}", 0..3), list in prop::collection::vec("[^\\x00]{0,4}", 0..3),
    ) -> TypeView {
        let mut declaration = fixture::nfs().types.remove(0).declaration;
        declaration.name = name(&format!("X.{version}:{version}"));
        declaration.version = version;
        declaration.description = texts[0].clone();
        declaration.basedir = texts[1].clone();
        declaration.failover = flags[0];
        declaration.single_instance = flags[1];
        declaration.upgrade = flags[2].then(|| vec![(texts[2].clone(), UpgradeTunability::AtCreation)]);
        declaration.pkglist = words.clone();
        declaration.methods = [(Method::PostnetStop, texts[3].clone())].into();
        let default = if flags[4] { Some(Value::StringArray(list)) } else { default };
        declaration.props.push(PropDecl {
            name: prop_name("P"),
            extension: flags[3],
            per_node: flags[4],
            prop_type: default.as_ref().map_or(PropType::String, Value::prop_type),
            enumlist: words,
            tunable: Tunable::AtCreation,
            default,
            min: numbers[0].map(|n| n as i64),
            max: None,
            minlength: numbers[1],
            maxlength: numbers[2],
            array_minsize: None,
            array_maxsize: numbers[3],
            description: texts[4].clone(),
        });
        TypeView { declaration, resources: vec![] }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_configuration_is_given_back_as_it_went_into_a_file(
        props in prop::collection::vec(prop::collection::vec(prop_view(), 0..5), 3),
        group_props in prop::collection::btree_map("[A-Z][a-z_]{1,8}", value(), 0..5),
        switches in prop::collection::vec((any::<bool>(), any::<Option<bool>>()), 6),
        types in prop::collection::vec(declaration(), 0..3),
        managed: bool, suspended: bool,
    ) {
        let mut snapshot = fixture::nfs();
        snapshot.types = types;
        snapshot.groups[0].managed = managed;
        snapshot.groups[0].suspended = suspended;
        snapshot.groups[0].props.extend(group_props.into_iter().map(|(n, v)| (prop_name(&n), v)));
        let ons = snapshot.resources.iter_mut().flat_map(|r| &mut r.nodes);
        for (on, (enabled, monitored)) in ons.zip(switches) {
            (on.enabled, on.monitored) = (enabled, monitored);
        }
        for (r, props) in snapshot.resources.iter_mut().zip(props) {
            r.props = props;
        }
        let text = export(&snapshot, &Selection::All);
        let read = import(&text).unwrap();
        prop_assert_eq!(&read, &Configuration::of(&snapshot, &Selection::All));
        prop_assert_eq!(super::export::document(&read).to_string(), text);
    }
}
