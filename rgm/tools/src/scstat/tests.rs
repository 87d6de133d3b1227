use super::*;
use crate::fixture;
use crate::tables::SCSTAT;
use rgm_types::{GroupState, Method, Millis, ResourceState, Status};

fn shown(line: &str, snapshot: Snapshot) -> String {
    let args = Args::parse(&SCSTAT, line.split_whitespace().map(Into::into)).unwrap();
    let wanted = wanted(&args).unwrap();
    let snapshot = limited(snapshot, &names::nodes(&args).unwrap()).unwrap();
    if args.has("--json") { json(&snapshot, &wanted).unwrap() } else { show::text(&snapshot, &wanted) }
}

#[test]
fn nodes_are_shown_as_the_reference_shows_them() {
    assert_eq!(
        shown("-n", fixture::empty()),
        "
-- Cluster Nodes --

                    Node name           Status
                    ---------           ------
  Cluster node:     phys-1              Online
  Cluster node:     phys-2              Offline
"
    );
}

#[test]
fn groups_and_resources_are_shown_as_the_reference_shows_them() {
    let mut snapshot = fixture::nfs();
    snapshot.resources.truncate(1);
    assert_eq!(
        shown("-g", snapshot),
        "
-- Resource Groups and Resources --

            Group Name     Resources
            ----------     ---------
 Resources: nfs-rg         nfs-lh nfs-stor nfs-rs


-- Resource Groups --

            Group Name     Node Name                State          Suspended
            ----------     ---------                -----          ---------
     Group: nfs-rg         phys-1                   Online         No
     Group: nfs-rg         phys-2                   Offline        No


-- Resources --

            Resource Name  Node Name                State          Status Message
            -------------  ---------                -----          --------------
  Resource: nfs-lh         phys-1                   Online         Online - LogicalHostname online.
  Resource: nfs-lh         phys-2                   Offline        Offline
"
    );
}

#[test]
fn without_options_everything_is_shown_between_dashes() {
    insta::assert_snapshot!(shown("", fixture::nfs()));
    assert_eq!(shown("-p", fixture::nfs()), shown("", fixture::nfs()));
}

#[test]
fn columns_grow_with_the_longest_name_and_state() {
    let mut snapshot = fixture::empty();
    let long = "a-resource-group-with-a-long-name";
    let states = [GroupState::PendingOnlineBlocked, GroupState::ErrorStopFailed];
    snapshot.groups.push(fixture::group(long, &["a-resource-with-a-long-name"], states));
    let not_monitored = (ResourceState::OnlineNotMonitored, Status::Degraded);
    snapshot.resources.push(fixture::resource(
        long,
        "a-resource-with-a-long-name",
        not_monitored,
        "slow\nanswers",
    ));
    if let Some(node) = snapshot.nodes.first_mut() {
        node.name = fixture::node("a-node-with-a-long-name.example.com");
    }
    insta::assert_snapshot!(shown("-n -g", snapshot));
}

#[test]
fn a_disabled_resource_and_a_running_method_are_told_to_who_asks_for_more() {
    let mut snapshot = fixture::nfs();
    if let Some(group) = snapshot.groups.first_mut() {
        group.suspended = true;
    }
    for resource in snapshot.resources.iter_mut().take(1) {
        resource.nodes.iter_mut().for_each(|on| on.enabled = false);
        if let Some(on) = resource.nodes.first_mut() {
            on.state = ResourceState::StopFailed;
            on.status = Status::Faulted;
        }
    }
    for on in snapshot.resources.iter_mut().skip(2).flat_map(|r| &mut r.nodes).take(1) {
        on.monitored = Some(false);
        on.running = Some((Method::MonitorStop, Millis(0)));
    }
    insta::assert_snapshot!("disabled", shown("-g", snapshot.clone()));
    insta::assert_snapshot!("disabled_verbose", shown("-gv", snapshot.clone()));
    assert_eq!(shown("-gvv", snapshot.clone()), shown("-g -v", snapshot));
}

#[test]
fn only_what_concerns_the_nodes_named_is_shown() {
    insta::assert_snapshot!(shown("-g -h phys-2", fixture::nfs()));
    let refused = limited(fixture::nfs(), &[fixture::node("phys-3")]).unwrap_err();
    assert_eq!(refused.code(), 11);
}

#[test]
fn json_carries_the_sections_asked_for() {
    insta::assert_snapshot!(shown("-n --json", fixture::nfs()));
    let everything: serde_json::Value = serde_json::from_str(&shown("--json", fixture::nfs())).unwrap();
    assert_eq!(everything["resources"][0]["nodes"][0]["state"], "ONLINE");
    assert_eq!(everything["groups"][0]["nodes"][1]["state"], "OFFLINE");
}

#[test]
fn a_group_without_resources_has_a_dash_for_them() {
    let mut snapshot = fixture::empty();
    snapshot.groups.push(fixture::group("new-rg", &[], [GroupState::Unmanaged; 2]));
    assert!(shown("-g", snapshot).contains(" Resources: new-rg         -\n"));
}

#[test]
fn sections_that_do_not_exist_here_are_refused_by_name() {
    for (option, what) in [("-D", "device groups"), ("-W", "interconnect"), ("-i", "IPMP"), ("-q", "quorum")]
    {
        let args = Args::parse(&SCSTAT, [option.into()]).unwrap();
        let failure = wanted(&args).unwrap_err();
        assert_eq!(failure.code(), 37);
        assert!(failure.text("scstat").contains(what));
    }
}
