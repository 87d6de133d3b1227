//! The usual procedure of an administrator, from registration to removal, with the exit codes and
//! outputs that scripts rely on.

use anyhow::Result;
use rgm_tests::kit::DevCluster;
use rgm_tests::kit::cluster::is_alive;
use rgm_types::GroupState::{Offline, Online, Unmanaged};

#[test]
fn the_usual_procedure_from_registration_to_removal() -> Result<()> {
    DevCluster::play(|c| {
        c.ok("scrgadm -a -t ACME.tick")?;
        c.ok("scrgadm -a -g g -h phys-1,phys-2")?;
        c.ok("scrgadm -a -j r -t ACME.tick -g g -y Retry_count=1 -x Greeting=ahoy -x Rooms=a,b")?;
        c.expect("g", [Unmanaged, Unmanaged])?;
        let mut validated = c.tick.begun(0);
        validated.sort();
        assert_eq!(validated, ["VALIDATE r phys-1", "VALIDATE r phys-2"]);
        assert_eq!(
            c.ok("scha_resource_get -O ON_OFF_SWITCH -R r")?,
            "DISABLED\n",
            "a new resource is disabled"
        );
        assert_eq!(c.ok("scha_cluster_get -O ALL_RESOURCEGROUPS")?, "", "only managed groups are told");

        c.ok("scswitch -Z -g g")?;
        c.expect("g", [Online, Offline])?;
        let (node, first) = c.application("r")?;
        assert_eq!(node, "phys-1");
        assert_eq!(c.ok("scha_cluster_get -O ALL_RESOURCEGROUPS")?, "g\n");

        let switched = c.tick.begun(0).len();
        c.ok("scswitch -z -g g -h phys-2")?;
        c.expect("g", [Offline, Online])?;
        assert_eq!(
            c.tick.begun(switched),
            [
                "MONITOR_STOP r phys-1",
                "STOP r phys-1",
                "POSTNET_STOP r phys-1",
                "PRENET_START r phys-2",
                "START r phys-2",
                "MONITOR_START r phys-2"
            ]
        );
        assert!(!is_alive(first), "it was stopped before it was started on the other node");
        assert_eq!(c.application("r")?.0, "phys-2");

        c.ok("scswitch -n -j r")?;
        c.expect("g", [Offline, Online])?;
        assert!(c.application("r").is_err(), "a disabled resource is stopped");
        c.ok("scswitch -e -j r")?;
        let (node, before) = c.application("r")?;
        assert_eq!(node, "phys-2");
        c.ok("scswitch -R -g g -h phys-2")?;
        assert_ne!(c.application("r")?, (node, before), "restarted");

        c.ok("scswitch -F -g g")?;
        c.expect("g", [Offline, Offline])?;
        c.ok("scswitch -n -j r")?;
        c.ok("scswitch -u -g g")?;
        c.expect("g", [Unmanaged, Unmanaged])?;
        c.ok("scrgadm -r -j r")?;
        c.ok("scrgadm -r -g g")?;
        c.ok("scrgadm -r -t ACME.tick")?;
        assert_eq!(c.ok("scha_cluster_get -O ALL_RESOURCETYPES")?, "");
        c.tick.witness("r").one_at_a_time()
    })
}

#[test]
fn what_scripts_parse_is_printed_to_the_letter() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "-x Greeting=ahoy -x Rooms=a,b")?;
        for (line, expected) in [
            ("scha_resource_get -O Extension -R r -G g Greeting", "STRING\nahoy\n"),
            ("scha_resource_get -O EXTENSION -R r rooms", "STRINGARRAY\na\nb\n"),
            ("scha_resource_get -O extension -R r Level", "INT\n5\n"),
            ("scha_resource_get -O Retry_Count -G g -R r", "2\n"),
            ("scha_resource_get -O START_TIMEOUT -R r", "3600\n"),
            ("scha_resource_get -O STATUS -R r", "OK\n\n"),
            ("scha_resource_get -O RESOURCE_STATE -R r", "ONLINE\n"),
            ("scha_resource_get -O RESOURCE_STATE_NODE -R r phys-2", "OFFLINE\n"),
            ("scha_resource_get -O STOP -R r", "stop\n"),
            ("scha_resource_get -O FAILOVER_MODE -R r", "NONE\n"),
            ("scha_resource_get -O RESOURCE_DEPENDENCIES -R r", ""),
            ("scha_resource_get -O R_DESCRIPTION -R r", "\n"),
            ("scha_resourcegroup_get -O RG_STATE -G g", "ONLINE\n"),
            ("scha_resourcegroup_get -O NODELIST -G g", "phys-1\nphys-2\n"),
            ("scha_resourcegroup_get -O RG_MODE -G g", "Failover\n"),
            ("scha_resourcegroup_get -O FAILBACK -G g", "FALSE\n"),
            ("scha_resourcetype_get -O INIT_NODES -T ACME.tick", "RG_PRIMARIES\n"),
            ("scha_cluster_get -O ALL_NODENAMES", "phys-1\nphys-2\n"),
            ("scha_cluster_get -O NODESTATE_NODE phys-2", "UP\n"),
        ] {
            assert_eq!(c.ok(line)?, expected, "{line}");
        }
        assert_eq!(c.on("phys-2", "scha_cluster_get -O NODENAME_LOCAL")?.ok()?, "phys-2\n");
        assert_eq!(c.on("phys-2", "scha_resourcegroup_get -O RG_STATE -G g")?.ok()?, "OFFLINE\n");
        let said = c.run_words(
            Some("phys-1"),
            &["scha_resource_setstatus", "-R", "r", "-G", "g", "-s", "DEGRADED", "-m", "half of it"],
        )?;
        said.ok()?;
        assert_eq!(c.ok("scha_resource_get -O STATUS -R r")?, "DEGRADED\nhalf of it\n");
        let table = c.ok("scstat -g")?;
        assert!(
            table.contains("     Group: g              phys-1                   Online         No\n"),
            "{table}"
        );
        assert!(
            table.contains(
                "  Resource: r              phys-1                   Online         Degraded - half of it\n"
            ),
            "{table}"
        );
        Ok(())
    })
}
