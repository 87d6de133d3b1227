//! Three tiers on real processes, a real network and a real file system: an address, a file system and
//! a database in one group, a web server in another that has to be with it (`++`) and goes down when
//! the database does (offline-restart), as the database does with its file system. Whatever is taken away, the tiers come back together.

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use rgm_tests::kit::leftovers::send;
use rgm_tests::kit::mounts::in_own_mounts;
use rgm_tests::kit::networks::Network;
use rgm_tests::kit::{DevCluster, Said, until};
use rgm_types::GroupState::{Offline, Online};
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const ADDRESS: &str = "192.0.2.50";

/// The tiers, and what they stand on.
struct Tiers<'a> {
    c: &'a mut DevCluster,
    net: &'a Network,
    /// Where the database's file system is mounted.
    data: PathBuf,
}

/// A file as a block device. It is freed when this is dropped.
struct Loop(String);

impl Drop for Loop {
    fn drop(&mut self) {
        let _gone = run("losetup", &["-d", &self.0]);
    }
}

fn run(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output()?;
    Said::new(&format!("{program} {}", args.join(" ")), &output).ok()
}

/// A port that nobody listens at now.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Node and process of the latest life of a server that writes its witness there.
fn latest_life(dir: &Path) -> Result<(usize, String, u32)> {
    let text = fs::read_to_string(dir.join("web.witness")).unwrap_or_default();
    let last = text.lines().last().context("it has never run")?;
    let words: Vec<&str> = last.split(' ').collect();
    let [_, node, pid] = words.as_slice() else { anyhow::bail!("{last:?} is no line of a witness") };
    Ok((text.lines().count(), (*node).to_owned(), pid.parse()?))
}

impl Tiers<'_> {
    /// Registers, creates and brings online everything, as an operator would.
    fn build(&self, device: &str) -> Result<()> {
        let (dir, data) = (self.c.dir().display().to_string(), self.data.display().to_string());
        let [db_port, web_port] = [free_port()?, free_port()?];
        let server = |port: u16, dir: &str| {
            format!("Start_command={}/bin/acme-web {port} {dir}", self.c.dir().display())
        };
        for line in [
            "clrt register SUNW.gds SUNW.HAStoragePlus",
            "clrg create -n phys-1,phys-2 -p Pingpong_interval=0 data-rg",
        ] {
            self.c.ok(line)?;
        }
        self.c.ok(&format!(
            "clrslh create -g data-rg -h {ADDRESS} -N pub0@phys-1,pub1@phys-2 -p Link_down_timeout=0 \
             -p Thorough_probe_interval=1 address"
        ))?;
        self.c.ok(&format!(
            "clrs create -g data-rg -t SUNW.HAStoragePlus -p FilesystemMountPoints={device}:{data}:ext4: \
             -p IOOption=ReadWrite -p Thorough_probe_interval=1 files"
        ))?;
        let (db, web) = (server(db_port, &data), server(web_port, &dir));
        let probe = |port: u16| format!("Probe_command=http://127.0.0.1:{port}/");
        let words = ["clrs", "create", "-g", "data-rg", "-t", "SUNW.gds", "-p", "Thorough_probe_interval=1"];
        let more =
            ["-p", "Resource_dependencies_offline_restart=files", "-p", &db, "-p", &probe(db_port), "db"];
        self.c.run_words(None, &[&words[..], &more[..]].concat())?.ok()?;
        self.c.ok("clrg create -n phys-1,phys-2 -p RG_affinities=++data-rg web-rg")?;
        let words = ["clrs", "create", "-g", "web-rg", "-t", "SUNW.gds", "-p", "Thorough_probe_interval=1"];
        let more =
            ["-p", "Resource_dependencies_offline_restart=db", "-p", &web, "-p", &probe(web_port), "web"];
        self.c.run_words(None, &[&words[..], &more[..]].concat())?.ok()?;
        self.c.ok("clrg online -emM data-rg web-rg")?;
        self.are_on(0)
    }

    /// All tiers are on that node and nowhere else, and their processes say so.
    fn are_on(&self, index: usize) -> Result<()> {
        let mut states = [Offline, Offline];
        if let Some(state) = states.get_mut(index) {
            *state = Online;
        }
        for group in ["data-rg", "web-rg"] {
            self.c.wait_for(group, states)?;
        }
        let (node, netif) = (format!("phys-{}", index + 1), format!("pub{index}"));
        assert_eq!(self.net.holders(ADDRESS)?, [netif]);
        assert!(self.net.is_reached(ADDRESS)?, "the neighbour reaches the address");
        for dir in [&self.data, self.c.dir()] {
            until("its process runs there", || Ok((latest_life(dir)?.1 == node).then_some(())))?;
        }
        Ok(())
    }

    fn is_mounted(&self) -> Result<bool> {
        let text = fs::read_to_string("/proc/thread-self/mountinfo")?;
        Ok(text.contains(&format!(" {} ", self.data.display())))
    }

    /// Kills the process that writes its witness there; its successor runs on the same node.
    fn kill(&self, dir: &Path) -> Result<()> {
        let (lives, node, pid) = latest_life(dir)?;
        send(pid, Signal::SIGKILL)?;
        until("it runs again", || Ok((latest_life(dir)?.0 > lives).then_some(())))?;
        assert_eq!(latest_life(dir)?.1, node);
        Ok(())
    }
}

#[test]
fn three_tiers_survive_the_loss_of_each_process_address_and_mount() -> Result<()> {
    Network::play(|net| {
        in_own_mounts(|| {
            DevCluster::prepare()?.run_through(|c| {
                let data = c.dir().join("data");
                fs::create_dir(&data)?;
                let image = c.dir().join("image");
                fs::File::create(&image)?.set_len(8 << 20)?;
                let image = image.display().to_string();
                run("mkfs.ext4", &["-q", &image])?;
                let device = Loop(run("losetup", &["-f", "--show", &image])?.trim().to_owned());
                let t = Tiers { c, net, data };
                t.build(&device.0)?;

                t.kill(&t.data)?;
                t.kill(t.c.dir())?;
                t.are_on(0)?;

                net.here(&format!("ip addr del {ADDRESS}/24 dev pub0"))?;
                until("the address is back", || Ok((net.holders(ADDRESS)? == ["pub0"]).then_some(())))?;
                t.are_on(0)?;

                // The file system is unmounted under the database.
                run("umount", &["-l", &t.data.display().to_string()])?;
                until("it is mounted again", || Ok(t.is_mounted()?.then_some(())))?;
                t.are_on(0)?;

                // The link of the address is gone: everything moves, and what was written moves along.
                let lives = latest_life(&t.data)?.0;
                net.there("ip link set port0 down")?;
                t.are_on(1)?;
                assert_eq!(latest_life(&t.data)?.0, lives + 1);
                net.there("ip link set port0 up")?;
                net.there("ip link set port1 down")?;
                t.are_on(0)?;

                // The database is disabled: the web server waits for it, and comes back with it.
                t.c.ok("clrs disable db")?;
                let state = t.c.on("phys-1", "scha_resourcegroup_get -O RG_STATE -G web-rg")?.ok()?;
                assert_eq!(state, "PENDING_ONLINE_BLOCKED\n");
                t.c.ok("clrs enable db")?;
                t.are_on(0)?;

                t.c.ok("clrg offline web-rg data-rg")?;
                assert!(net.holders(ADDRESS)?.is_empty());
                Ok(())
            })
        })
    })
}
