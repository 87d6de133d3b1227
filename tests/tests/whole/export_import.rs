//! A cluster made again from its exported file alone.

use anyhow::{Result, ensure};
use rgm_tests::kit::DevCluster;
use rgm_types::GroupState::{Offline, Online};
use std::fs;

#[test]
fn a_cluster_is_made_again_from_its_file_alone_byte_for_byte() -> Result<()> {
    DevCluster::play(|c| {
        c.create("g", "r", "ACME.tick", "-y Failover_mode=SOFT -x Greeting=hi")?;
        c.ok("scrgadm -a -j s -t ACME.tick -g g -y Resource_dependencies=r")?;
        c.ok("clrg create -n phys-2,phys-1 -p RG_affinities=+g -p Pingpong_interval=7 h")?;
        c.ok("clrs create -g h -t ACME.tick -d t")?;
        c.ok("clrs enable -n phys-1 t")?;
        c.ok("clrs unmonitor -n phys-2 s")?;
        c.ok("clnode create-loadlimit -p limitname=memory -p softlimit=3 -p hardlimit=9 phys-1")?;
        c.ok("clnode attr set -n phys-1 -l forever site.rack=b2")?;
        c.ok("clnode attr set -n phys-1 passing=1")?;
        c.ok("cluster set -p Concentrate_load=TRUE")?;
        c.ok("scswitch -Z -g g")?;
        let file = c.dir().join("site.xml");
        c.ok(&format!("cluster export -o {}", file.display()))?;
        let text = fs::read_to_string(&file)?;
        assert_eq!(c.ok("cluster export")?, text);
        ensure!(text.contains("name=\"site.rack\" value=\"b2\"") && !text.contains("passing"), "{text}");

        c.finish()?;
        fs::remove_dir_all(c.dir().join("state"))?;
        fs::remove_dir_all(c.dir().join("rtreg"))?;
        c.start()?;
        ensure!(c.snapshot()?.groups.is_empty() && c.snapshot()?.types.is_empty());
        c.ok(&format!("cluster create -i {}", file.display()))?;
        let again = c.ok("cluster export")?;
        ensure!(again == text, "{again}\n{text}");
        c.ok("clrg online g")?;
        c.expect("g", [Online, Offline])?;
        c.refused(39, &format!("cluster create -i {}", file.display())).map(drop)
    })
}

#[test]
fn single_objects_are_made_from_a_file_and_what_is_not_in_it_is_said() -> Result<()> {
    DevCluster::play(|c| {
        c.create("g", "r", "ACME.tick", "-x Greeting=hi")?;
        let (file, before) = (c.dir().join("site.xml"), c.ok("cluster export")?);
        fs::write(&file, &before)?;
        let file = file.display();
        c.ok("clrs delete r")?;
        c.ok("clrg delete g")?;
        c.refused(36, &format!("clrg create -i {file} nobody"))?;
        c.ok(&format!("clrg create -i {file} g"))?;
        c.ok(&format!("clrs create -i {file} r"))?;
        assert_eq!(c.ok("cluster export")?, before);
        c.ok("clrg delete -F g")?;
        c.ok("clrt unregister ACME.tick")?;
        c.ok(&format!("clrs create -a -i {file} r"))?;
        assert_eq!(c.ok("cluster export")?, before);
        let types = c.ok("clrt export")?;
        ensure!(types.contains("<method type=\"START\"") && !types.contains("<resourcegroup "), "{types}");
        Ok(())
    })
}
