use super::*;
use crate::cl;
use crate::fixture;

fn commands(words: &[&str]) -> Vec<Command> {
    let work = cl::work(&CLRT, words, fixture::nfs()).unwrap();
    assert!(work.failures.is_empty(), "{words:?}: {:?}", work.failures);
    let command = |change| match change {
        Change::Command(command) => command,
        register @ Change::Register { .. } => panic!("{register:?}"),
    };
    work.changes.into_iter().map(command).collect()
}

fn set_to(installed_nodes: Option<InstalledNodes>, rt_system: Option<bool>) -> Command {
    Command::TypeSet { name: "SUNW.shq:5".into(), installed_nodes, rt_system }
}

fn only(nodes: &[&str]) -> Option<InstalledNodes> {
    Some(InstalledNodes::Only(nodes.iter().map(|n| fixture::node(n)).collect()))
}

#[test]
fn every_subcommand_that_changes_is_a_command() {
    let unregister = Command::TypeUnregister { name: "SUNW.shq:5".into() };
    for (words, expected) in [
        (&["unregister", "shq"][..], unregister.clone()),
        (&["unregister", "+"], unregister),
        (&["set", "-N", "SUNW.shq"], set_to(Some(InstalledNodes::All), None)),
        (&["set", "-n", "phys-1 phys-2", "shq:5"], set_to(only(&["phys-1", "phys-2"]), None)),
        (&["set", "--node=phys-1,\tphys-2", "shq"], set_to(only(&["phys-1", "phys-2"]), None)),
        (
            &["set", "-p", "RT_system=true", "--property=installed_nodes=*", "shq"],
            set_to(Some(InstalledNodes::All), Some(true)),
        ),
        (&["remove-node", "-n", "phys-2", "shq"], set_to(only(&["phys-1"]), None)),
    ] {
        assert_eq!(commands(words), [expected], "{words:?}");
    }
    assert_eq!(commands(&["add-node", "-n", "phys-1", "shq"]), [], "it is on every node already");
}

#[test]
fn nodes_are_added_behind_those_there_are() {
    let mut snapshot = fixture::nfs();
    snapshot.types[0].declaration.installed_nodes = InstalledNodes::Only(vec![fixture::node("phys-2")]);
    let work = cl::work(&CLRT, &["add-node", "-n", "phys-1,phys-2", "shq"], snapshot).unwrap();
    assert_eq!(work.changes, [Change::Command(set_to(only(&["phys-2", "phys-1"]), None))]);
}

#[test]
fn a_type_is_registered_from_its_file_on_the_nodes_that_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let text = "Resource_type = sample;\nVendor_id = SUNW;\nRT_basedir = /opt/x;\nRT_version = \"1.0\";\n\
        API_version = 2;\nStart = start;\nStop = stop;\n";
    std::fs::write(dir.path().join("x"), text).unwrap();
    let place = dir.path().to_str().unwrap();
    for name in ["SUNW.sample", "sample", "+"] {
        let words = ["register", "-n", "phys-1", "-f", place, "-p", "RT_system=TRUE", name];
        let work = cl::work(&CLRT, &words, fixture::nfs()).unwrap();
        assert!(work.failures.is_empty());
        let [Change::Register { text: sent, installed_nodes, .. }, Change::Command(set)] = &work.changes[..]
        else {
            panic!("{:?}", work.changes);
        };
        assert_eq!((sent.as_str(), installed_nodes.clone()), (text, only(&["phys-1"])));
        assert!(matches!(set, Command::TypeSet { rt_system: Some(true), .. }));
    }
    let work = cl::work(&CLRT, &["register", "-f", place, "absent", "sample"], fixture::nfs()).unwrap();
    assert_eq!((work.changes.len(), work.failures.len()), (1, 1), "the other operand is worked on");
    assert_eq!(work.failures[0].cl_code(), ClErr::Type);
}

#[test]
fn what_is_not_there_or_makes_no_sense_is_refused() {
    for (words, code, wrong) in [
        (&["set", "shq"][..], 3, "set needs something to change"),
        (&["add-node", "shq"], 3, "add-node needs -n NODE,..."),
        (&["unregister"], 3, "unregister needs + | TYPE..."),
        (&["set", "-N", "-n", "phys-1", "shq"], 3, "the nodes are given more than once"),
        (&["set", "-p", "Failover=TRUE", "shq"], 15, "property Failover: an administrator can't set it"),
        (&["set", "-p", "RT_system=yes", "shq"], 15, "neither TRUE nor FALSE"),
        (&["add-node", "-n", "phys-3", "shq"], 36, "node phys-3: there is none of that name"),
        (&["add-node", "-n", " ,", "shq"], 3, "-n is an empty list"),
        (&["list", "-Z", "zc1"], 37, "there are no zone clusters"),
        (&["forget", "shq"], 3, "there is no subcommand \"forget\""),
    ] {
        let failure = cl::work(&CLRT, words, fixture::nfs()).unwrap_err();
        let text = failure.cl_text("clrt");
        assert!(text.contains(wrong), "{words:?}: {text}");
        assert_eq!(failure.cl_code().code(), code, "{words:?}");
    }
    let work = cl::work(&CLRT, &["unregister", "absent", "shq"], fixture::nfs()).unwrap();
    assert_eq!(work.failures[0].cl_code(), ClErr::Noent);
    assert_eq!(work.changes.len(), 1);
    let work = cl::work(&CLRT, &["remove-node", "-n", "phys-1,phys-2", "shq"], fixture::nfs()).unwrap();
    assert_eq!((work.failures[0].cl_code(), work.changes.len()), (ClErr::Op, 0));
}

fn printed(words: &[&str]) -> String {
    cl::work(&CLRT, words, fixture::nfs()).unwrap().print
}

#[test]
fn types_are_listed_one_a_line_or_with_their_nodes() {
    assert_eq!(printed(&["list"]), "SUNW.shq:5\n");
    assert_eq!(
        printed(&["list", "-v", "-n", "phys-2", "+"]),
        "Resource Type            Node List\n-------------            ---------\nSUNW.shq:5               <All>\n"
    );
}

#[test]
fn a_type_is_shown_as_the_reference_shows_it() {
    assert_eq!(
        printed(&["show", "shq"]),
        "
=== Registered Resource Types ===              

Resource Type:                                  SUNW.shq:5
  RT_description:                                  Shared file system agent
  RT_version:                                      5
  API_version:                                     3
  RT_basedir:                                      /opt/SUNWshq/sc/bin
  Single_instance:                                 False
  Proxy:                                           False
  Init_nodes:                                      All potential masters
  Installed_nodes:                                 <All>
  Failover:                                        True
  Pkglist:                                         <NULL>
  RT_system:                                       False
  Global_zone:                                     False
"
    );
    let verbose = |words: &[&str]| cl::work(&CLRT, words, fixture::wide()).unwrap().print;
    insta::assert_snapshot!("show_verbose", verbose(&["show", "-v"]));
    assert_eq!(verbose(&["list-props", "shq"]), "Port\n");
    insta::assert_snapshot!("list_props_verbose", verbose(&["list-props", "-v", "-p", "port,absent"]));
    let json: serde_json::Value = serde_json::from_str(&printed(&["show", "--json"])).unwrap();
    assert_eq!(json[0]["declaration"]["name"], "SUNW.shq:5");
}
