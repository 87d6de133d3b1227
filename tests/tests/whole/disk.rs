//! A disk that is really full, and a store that is really corrupt.

use anyhow::{Result, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rgm_tests::kit::mounts::{NOTHING, in_own_mounts};
use rgm_tests::kit::{DevCluster, until};
use std::fs;

/// Plays a scene in a cluster whose state lies on a disk of that many KiB: a tmpfs.
fn on_small_disk(kib: u32, scene: fn(&mut DevCluster) -> Result<()>) -> Result<()> {
    in_own_mounts(|| {
        let mut cluster = DevCluster::prepare()?;
        let (state, size) = (cluster.dir().join("state"), format!("size={kib}k"));
        mount(NOTHING, &state, Some("tmpfs"), MsFlags::empty(), Some(size.as_str()))?;
        let played = cluster.run_through(scene);
        umount2(&state, MntFlags::MNT_DETACH)?;
        played
    })
}

#[test]
fn on_a_full_disk_a_change_is_refused_the_old_configuration_serves_and_room_heals() -> Result<()> {
    on_small_disk(8 << 10, |c| {
        c.create_online("g", "r", "ACME.tick", "")?;
        let (before, application) = (c.ok("scrgadm -pvv")?, c.application("r")?);
        let ballast = c.dir().join("state/ballast");
        ensure!(fs::write(&ballast, vec![1; 64 << 20]).is_err(), "the disk is not full");
        // What is free inside the store is used first.
        let long = "x".repeat(100_000);
        let change = |n: u32| c.run(&format!("scrgadm -c -g g -y RG_description={n}{long}"));
        let mut accepted = None;
        let said = (0..1000).find_map(|n| match change(n) {
            Ok(said) if said.code == 0 => {
                accepted = Some(n);
                None
            }
            said => Some(said),
        });
        let said = said.ok_or_else(|| anyhow::anyhow!("never refused"))??;
        ensure!(said.err.contains("space") || said.err.contains("full"), "{:?}", said.err);
        ensure!(said.code != 0 && said.out.is_empty(), "exit {}: {}", said.code, said.out);
        let described = accepted.map_or(String::new(), |n| format!("{n}{long}"));
        until("the old configuration is served", || {
            let served = c.run("scha_resourcegroup_get -O RG_DESCRIPTION -G g")?;
            Ok((served.out.trim_end() == described).then_some(()))
        })?;
        assert_eq!(c.application("r")?, application);
        ensure!(c.log()?.contains("space"), "it is logged");

        fs::remove_file(ballast)?;
        until("changes are possible again", || {
            Ok((c.run("scrgadm -c -g g -y RG_description=")?.code == 0).then_some(()))
        })?;
        assert_eq!(c.ok("scrgadm -pvv")?, before);
        c.ok("scswitch -z -g g -h phys-2")?;
        Ok(())
    })
}

#[test]
fn a_corrupt_store_is_said_at_the_start_and_left_as_it_is() -> Result<()> {
    DevCluster::play(|c| {
        c.create("g", "r", "ACME.tick", "")?;
        c.finish()?;
        let store = c.dir().join("state/ccr.redb");
        let good = fs::read(&store)?;
        for damage in ["header", "everything", "cut"] {
            let mut bad = good.clone();
            match damage {
                "header" => bad[..512].fill(0x55),
                "everything" => bad.fill(0x55),
                _ => bad.truncate(100),
            }
            fs::write(&store, &bad)?;
            let said = c.refused(1, "rgmd --dev-nodes phys-1,phys-2")?;
            assert!(said.contains(&store.display().to_string()), "{damage}: {said}");
            assert!(fs::read(&store)? == bad, "{damage}: it was changed");
        }
        fs::write(&store, &good)?;
        c.start()?;
        assert_eq!(c.ok("scha_resource_get -O TYPE -R r")?, "ACME.tick\n");
        Ok(())
    })
}
