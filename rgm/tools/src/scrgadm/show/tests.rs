use super::*;
use crate::fixture;
use crate::tables::SCRGADM;
use rgm_types::{GroupState, ResourceState, Status};
use rgm_types::{PropType, Value};

fn printed(line: &str, snapshot: Snapshot) -> Result<String, Failure> {
    let args = Args::parse(&SCRGADM, line.split_whitespace().map(Into::into)).unwrap();
    let shown = shown(snapshot, &args)?;
    if args.has("--json") { crate::json::pretty(&shown) } else { Ok(text(&shown, args.count("-v"))) }
}

/// What the reference prints.
fn reference() -> Snapshot {
    let mut snapshot = fixture::nfs();
    snapshot.resources.drain(..2);
    for resource in &mut snapshot.resources {
        resource.nodes.truncate(1);
        let text = "Maximum number of restarts in Retry_interval";
        resource.props = vec![fixture::prop("Retry_count", false, text, PropType::Int, Some(Value::Int(2)))];
    }
    snapshot
}

#[test]
fn everything_is_printed_as_the_reference_prints_it() {
    assert_eq!(
        printed("-pvv", reference()).unwrap().replace("  \n", " |\n"),
        "
Res Type name:                                   SUNW.shq:5
  (SUNW.shq:5) Res Type description:             Shared file system agent
  (SUNW.shq:5) Res Type base directory:          /opt/SUNWshq/sc/bin
  (SUNW.shq:5) Res Type single instance:         False
  (SUNW.shq:5) Res Type init nodes:              All potential masters
  (SUNW.shq:5) Res Type failover:                True
  (SUNW.shq:5) Res Type version:                 5
  (SUNW.shq:5) Res Type API version:             3
  (SUNW.shq:5) Res Type installed on nodes:      <All>
  (SUNW.shq:5) Res Type packages:                <NULL>

Res Group name:                                  nfs-rg
  (nfs-rg) Res Group RG_description:             <NULL>
  (nfs-rg) Res Group mode:                       Failover
  (nfs-rg) Res Group management state:           Managed
  (nfs-rg) Res Group RG_project_name:            default
  (nfs-rg) Res Group RG_affinities:              <NULL>
  (nfs-rg) Res Group Auto_start_on_new_cluster:  True
  (nfs-rg) Res Group Failback:                   False
  (nfs-rg) Res Group Nodelist:                   phys-1 phys-2
  (nfs-rg) Res Group Maximum_primaries:          1
  (nfs-rg) Res Group Desired_primaries:          1
  (nfs-rg) Res Group RG_dependencies:            <NULL>
  (nfs-rg) Res Group network dependencies:       True
  (nfs-rg) Res Group Global_resources_used:      <All>
  (nfs-rg) Res Group Pingpong_interval:          3600
  (nfs-rg) Res Group Pathprefix:                 <NULL>
  (nfs-rg) Res Group system:                     False
  (nfs-rg) Res Group Suspend_automatic_recovery: False

  (nfs-rg) Res name:                             nfs-rs
    (nfs-rg:nfs-rs) Res R_description:          |
    (nfs-rg:nfs-rs) Res resource type:           SUNW.nfs:3.2
    (nfs-rg:nfs-rs) Res type version:            3.2
    (nfs-rg:nfs-rs) Res resource group name:     nfs-rg
    (nfs-rg:nfs-rs) Res resource project name:   default
    (nfs-rg:nfs-rs{phys-1}) Res enabled:         True
    (nfs-rg:nfs-rs{phys-1}) Res monitor enabled: True
    (nfs-rg:nfs-rs) Res strong dependencies:     <NULL>
    (nfs-rg:nfs-rs) Res weak dependencies:       <NULL>
    (nfs-rg:nfs-rs) Res restart dependencies:    <NULL>
    (nfs-rg:nfs-rs) Res property name:           Retry_count
      (nfs-rg:nfs-rs:Retry_count) Res property class:       standard
      (nfs-rg:nfs-rs:Retry_count) Res property description: Maximum number of restarts in Retry_interval
      (nfs-rg:nfs-rs:Retry_count) Res property type:        int
      (nfs-rg:nfs-rs:Retry_count) Res property value:       2
"
    );
}

#[test]
fn more_is_printed_the_more_is_asked_for() {
    insta::assert_snapshot!("names", printed("-p", fixture::nfs()).unwrap());
    insta::assert_snapshot!("details", printed("-pv -g nfs-rg", fixture::nfs()).unwrap());
    assert_eq!(printed("-p -v -v", reference()).unwrap(), printed("-pvv", reference()).unwrap());
}

#[test]
fn every_type_of_property_and_long_names_are_printed_in_their_columns() {
    let mut snapshot = fixture::empty();
    snapshot.groups.push(fixture::group("a-longer-group-rg", &["db-rs"], [GroupState::Online; 2]));
    let mut db = fixture::resource("a-longer-group-rg", "db-rs", (ResourceState::Online, Status::Ok), "");
    let list = |l: &[&str]| Some(Value::StringArray(l.iter().map(|s| (*s).to_owned()).collect()));
    db.props = vec![
        fixture::prop("Resource_dependencies", false, "", PropType::StringArray, list(&["a-rs", "b-rs"])),
        fixture::prop(
            "Resource_dependencies_offline_restart",
            false,
            "",
            PropType::StringArray,
            list(&["c-rs"]),
        ),
        fixture::prop("Failover_mode", false, "", PropType::Enum, Some(Value::Enum("SOFT".into()))),
        fixture::prop("Probe_timeout", true, "Seconds", PropType::Int, None),
        fixture::prop("Confdir_list", true, "Directories", PropType::StringArray, list(&["/a", "/b"])),
        fixture::prop("Secure", true, "", PropType::Boolean, Some(Value::Boolean(true))),
    ];
    let mut port = fixture::prop("Port", true, "Where it listens", PropType::Int, None);
    port.per_node.insert(fixture::node("phys-1"), Value::Int(53));
    port.per_node.insert(fixture::node("phys-2"), Value::Int(5353));
    db.props.push(port);
    snapshot.resources.push(db);
    insta::assert_snapshot!(printed("-pvv -j db-rs -g a-longer-group-rg", snapshot).unwrap());
}

#[test]
fn only_what_is_named_is_printed_and_an_unknown_name_is_refused() {
    let names = |line| printed(line, fixture::nfs()).map(|text| text.matches("ame:").count());
    assert_eq!(names("-p").unwrap(), 5);
    assert_eq!(names("-p -t shq").unwrap(), 1);
    assert_eq!(names("-p -g nfs-rg").unwrap(), 4);
    assert_eq!(names("-p -j nfs-lh").unwrap(), 1);
    assert_eq!(names("-p -j nfs-lh,nfs-rs -t SUNW.shq").unwrap(), 3);
    for (line, code) in [("-p -t nfs", 13), ("-p -g nfs", 12), ("-p -j nfs", 14)] {
        assert_eq!(names(line).unwrap_err().code(), code);
    }
}

#[test]
fn json_carries_types_groups_and_resources() {
    let text = printed("-p --json", reference()).unwrap();
    let facts: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(facts["types"][0]["declaration"]["name"], "SUNW.shq:5");
    assert_eq!(facts["groups"][0]["props"]["Pingpong_interval"]["int"], 3600);
    assert_eq!(facts["resources"][0]["props"][0]["name"], "Retry_count");
}
