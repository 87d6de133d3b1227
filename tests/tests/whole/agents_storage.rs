//! `SUNW.HAStoragePlus` on real file systems: in memory, and on loop devices.

use anyhow::{Context, Result, ensure};
use rgm_tests::kit::cluster::is_alive;
use rgm_tests::kit::mounts::in_own_mounts;
use rgm_tests::kit::{DevCluster, NODES, Said, agents, until};
use rgm_types::GroupState::{ErrorStopFailed, Offline, Online};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const TYPE: &str = "SUNW.HAStoragePlus";

/// What a scene plays with: a cluster with a group, a mount point, and devices.
struct Scene<'a> {
    c: &'a mut DevCluster,
    dir: PathBuf,
}

/// A file as a block device. It is freed when this is dropped.
struct Loop(String);

/// A process that is ended when this is dropped.
struct Holder(Child);

/// Plays a scene in a cluster that knows the type, in mounts of its own.
fn play(scene: impl FnOnce(&mut Scene) -> Result<()> + Send) -> Result<()> {
    in_own_mounts(|| {
        DevCluster::prepare()?.run_through(|c| {
            c.ok(&format!("scrgadm -a -t {TYPE}"))?;
            c.ok("scrgadm -a -g g -h phys-1,phys-2")?;
            let dir = c.dir().join("data");
            fs::create_dir(&dir)?;
            scene(&mut Scene { c, dir })
        })
    })
}

impl Scene<'_> {
    fn creation(&self, list: &str, more: &str) -> String {
        format!("scrgadm -a -j fs -t {TYPE} -g g -x FilesystemMountPoints={list} {more}")
    }

    /// Creates a resource with a file system in memory, and brings it online on the first node.
    fn bring_online(&self, more: &str) -> Result<()> {
        let list = format!("tmpfs:{}:tmpfs:size=1m", self.dir.display());
        self.bring_online_with(&list, more)
    }

    fn bring_online_with(&self, list: &str, more: &str) -> Result<()> {
        self.c.ok(&self.creation(list, more))?;
        self.c.ok("scswitch -Z -g g")?;
        self.c.expect("g", [Online, Offline])
    }

    /// On the first node, where the record tells of what was unmounted by hand.
    fn mounts_again_and_unmounts(&self) -> Result<()> {
        self.c.ok("scswitch -z -g g -h phys-1")?;
        assert_eq!(self.mounted()?, 1);
        self.c.ok("scswitch -F -g g")?;
        assert_eq!(self.mounted()?, 0);
        Ok(())
    }

    /// What is mounted at the mount point.
    fn mounted(&self) -> Result<usize> {
        let text = fs::read_to_string("/proc/thread-self/mountinfo")?;
        let at = format!(" {} ", self.dir.display());
        Ok(text.lines().filter(|line| line.contains(&at)).count())
    }

    fn status(&self, node: &str) -> Result<String> {
        self.c.on(node, "scha_resource_get -O STATUS -R fs -G g")?.ok()
    }

    fn wait_for_status(&self, status: &str, message: &str) -> Result<()> {
        until(&format!("the status is {status}, {message}"), || {
            let said = self.status("phys-1")?;
            Ok((said.starts_with(status) && said.contains(message)).then_some(()))
        })
        .with_context(|| self.status("phys-1").unwrap_or_default())
    }

    /// A process with its working directory in the file system, deaf to SIGTERM if so told.
    fn hold(&self, deaf: bool) -> Result<Holder> {
        let script = if deaf { "trap '' TERM; echo; while :; do read -r x; done" } else { "echo; read -r x" };
        let mut command = Command::new("bash");
        command.args(["-c", script]).current_dir(&self.dir).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut holder = Holder(command.spawn()?);
        let mut line = [0];
        std::io::Read::read_exact(holder.0.stdout.as_mut().context("no output")?, &mut line)?;
        Ok(holder)
    }

    /// A file of ext4 on a loop device.
    fn ext4(&self, name: &str) -> Result<Loop> {
        let image = self.c.dir().join(name);
        fs::File::create(&image)?.set_len(8 << 20)?;
        let image = image.display().to_string();
        run("mkfs.ext4", &["-q", &image])?;
        Ok(Loop(run("losetup", &["-f", "--show", &image])?.trim().to_owned()))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _gone = run("losetup", &["-d", &self.0]);
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

fn run(program: &str, args: &[&str]) -> Result<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output()?;
    Said::new(&format!("{program} {}", args.join(" ")), &output).ok()
}

#[test]
fn a_file_system_is_checked_and_mounted_moves_with_its_files_and_is_unmounted() -> Result<()> {
    play(|s| {
        let device = s.ext4("image")?;
        let table = s.c.dir().join("fstab");
        fs::write(&table, format!("{} {} ext4 noauto,noatime 0 0\n", device.0, s.dir.display()))?;
        let more = format!("-x VfstabFile={}", table.display());
        s.bring_online_with(&s.dir.display().to_string(), &more)?;
        assert_eq!(s.mounted()?, 1);
        fs::write(s.dir.join("file"), "kept")?;
        s.c.ok("scswitch -z -g g -h phys-2")?;
        assert_eq!(fs::read_to_string(s.dir.join("file"))?, "kept");
        assert!(!s.c.dir().join("run/phys-1/fs.mounts").exists());
        assert!(s.c.dir().join("run/phys-2/fs.mounts").exists());
        s.c.ok("scswitch -F -g g")?;
        assert_eq!(s.mounted()?, 0);
        Ok(())
    })
}

#[test]
fn a_damaged_file_system_is_not_mounted_and_what_can_be_repaired_is() -> Result<()> {
    play(|s| {
        let device = s.ext4("image")?;
        let list = format!("{}:{}:ext4:", device.0, s.dir.display());
        // Not unmounted cleanly: that is repaired.
        run("debugfs", &["-w", "-R", "ssv state 0", &device.0])?;
        s.bring_online_with(&list, "")?;
        s.c.ok("scswitch -F -g g")?;
        fs::File::options().write(true).open(&device.0).and_then(|mut file| {
            use std::io::{Seek, SeekFrom, Write};
            file.seek(SeekFrom::Start(1024))?;
            file.write_all(&[0xff; 65536])?;
            file.sync_all()
        })?;
        ensure!(s.c.run("scswitch -z -g g -h phys-1")?.code != 0, "a damaged file system was mounted");
        assert_eq!(s.mounted()?, 0);
        assert!(s.c.log()?.contains("repair the file system by hand"));
        Ok(())
    })
}

#[test]
fn who_holds_a_mount_busy_is_named_asked_and_killed_and_nobody_else_is() -> Result<()> {
    play(|s| {
        s.bring_online("-y Postnet_stop_timeout=20")?;
        let (gentle, mut deaf) = (s.hold(false)?, s.hold(true)?);
        let mut beside = Holder(Command::new("sleep").arg("1000").current_dir(s.c.dir()).spawn()?);
        s.c.ok("scswitch -F -g g")?;
        assert_eq!(s.mounted()?, 0);
        assert!(!is_alive(gentle.0.id()));
        assert!(!deaf.0.wait()?.success());
        assert!(beside.0.try_wait()?.is_none(), "its directory is beside the mount point");
        let log = s.c.log()?;
        assert!(log.contains(&format!("{} is busy: ", s.dir.display())));
        assert!(log.contains(&format!("{} (bash", deaf.0.id())));
        Ok(())
    })
}

#[test]
fn a_policy_of_naming_kills_nobody_and_the_stop_fails_until_they_are_gone() -> Result<()> {
    play(|s| {
        s.bring_online("-x MountPointHolders=NAME")?;
        let holder = s.hold(false)?;
        ensure!(s.c.run("scswitch -F -g g")?.code != 0, "it was unmounted under a process");
        s.c.expect("g", [ErrorStopFailed, Offline])?;
        assert!(is_alive(holder.0.id()));
        s.wait_for_status("FAULTED", &format!("{} (bash", holder.0.id()))?;
        // To clear the flag is to say that what STOP failed to do is done.
        drop(holder);
        run("umount", &[&s.dir.display().to_string()])?;
        s.c.ok("scswitch -c -h phys-1 -j fs -f STOP_FAILED")?;
        s.c.ok("scswitch -z -g g -h phys-2")?;
        assert_eq!(s.mounted()?, 1);
        s.mounts_again_and_unmounts()
    })
}

#[test]
fn a_daemon_of_the_manager_that_holds_a_mount_is_named_and_never_killed() -> Result<()> {
    play(|s| {
        s.bring_online("-y Postnet_stop_timeout=20")?;
        let copy = s.c.dir().join("pmfd");
        fs::copy("/bin/sleep", &copy)?;
        let mut daemon = Holder(Command::new(&copy).arg("1000").current_dir(&s.dir).spawn()?);
        ensure!(s.c.run("scswitch -F -g g")?.code != 0, "it was unmounted under a daemon");
        assert!(daemon.0.try_wait()?.is_none());
        s.wait_for_status("FAULTED", "not to be killed: it is a daemon of the manager")?;
        drop(daemon);
        run("umount", &[&s.dir.display().to_string()])?;
        s.c.ok("scswitch -c -h phys-1 -j fs -f STOP_FAILED")?;
        s.mounts_again_and_unmounts()
    })
}

#[test]
fn a_file_system_that_a_container_still_has_mounted_is_not_given_to_another_node() -> Result<()> {
    play(|s| {
        s.bring_online("")?;
        let own = fs::read_link("/proc/thread-self/ns/mnt")?;
        let mut container = Command::new("unshare");
        let container = Holder(container.args(["-m", "sleep", "1000"]).current_dir("/").spawn()?);
        until("the container has mounts of its own", || {
            let other = fs::read_link(format!("/proc/{}/ns/mnt", container.0.id()))?;
            Ok((other != own).then_some(()))
        })?;
        ensure!(s.c.run("scswitch -z -g g -h phys-2")?.code != 0, "it moved away from under a container");
        s.c.expect("g", [ErrorStopFailed, Offline])?;
        let place = format!("in the mount namespace of process {}", container.0.id());
        s.wait_for_status("FAULTED", &place)?;
        drop(container);
        s.c.ok("scswitch -c -h phys-1 -j fs -f STOP_FAILED")?;
        s.mounts_again_and_unmounts()
    })
}

#[test]
fn a_file_system_that_somebody_unmounts_is_mounted_again() -> Result<()> {
    play(|s| {
        s.bring_online("-y Retry_count=1")?;
        s.wait_for_status("OK", "File systems mounted.")?;
        run("umount", &[&s.dir.display().to_string()])?;
        until("it is mounted again", || Ok((s.mounted()? == 1).then_some(())))?;
        s.wait_for_status("OK", "File systems mounted.")?;
        s.c.expect("g", [Online, Offline])?;
        // The monitor looks after the new mount as it did after the old one.
        run("umount", &[&s.dir.display().to_string()])?;
        s.c.wait_for("g", [Offline, Online])?;
        assert_eq!(s.mounted()?, 1);
        Ok(())
    })
}

#[test]
fn a_file_system_that_fails_or_turns_read_only_goes_to_another_node() -> Result<()> {
    play(|s| {
        s.bring_online("-x IOOption=ReadWrite -y Thorough_probe_interval=1")?;
        s.wait_for_status("OK", "File systems mounted.")?;
        // Full: what is written can't be.
        fs::write(s.dir.join("fill"), vec![0; 1 << 20]).unwrap_or_default();
        s.c.wait_for("g", [Offline, Online])?;
        assert!(s.c.log()?.contains("cannot write to"));
        assert!(!s.dir.join("fill").exists(), "it is a new file system in memory");
        run("mount", &["-o", "remount,ro", &s.dir.display().to_string()])?;
        until("the log says why", || Ok(s.c.log()?.contains("has turned read-only").then_some(())))?;
        Ok(())
    })
}

#[test]
fn a_disk_that_does_not_answer_hangs_a_trial_and_not_the_monitor() -> Result<()> {
    play(|s| {
        let device = s.ext4("image")?;
        let list = format!("{}:{}:ext4:", device.0, s.dir.display());
        s.bring_online_with(&list, "-x IOOption=ReadWrite -x IOTimeout=1 -y Thorough_probe_interval=1")?;
        s.wait_for_status("OK", "File systems mounted.")?;
        let dir = s.dir.display().to_string();
        run("fsfreeze", &["-f", &dir])?;
        let seen = s.wait_for_status("FAULTED", "does not answer within 1 s");
        run("fsfreeze", &["-u", &dir])?;
        seen?;
        s.c.wait_for("g", [Offline, Online])?;
        assert_eq!(s.mounted()?, 1);
        Ok(())
    })
}

#[test]
fn mounts_outlive_the_daemons_and_other_mounts_are_never_touched() -> Result<()> {
    play(|s| {
        s.bring_online("")?;
        fs::write(s.dir.join("file"), "kept")?;
        s.c.kill_rgmd()?;
        NODES.iter().try_for_each(|node| s.c.kill_pmfd_alone(node))?;
        s.c.start()?;
        s.c.expect("g", [Online, Offline])?;
        assert_eq!(fs::read_to_string(s.dir.join("file"))?, "kept");
        s.c.ok("scswitch -F -g g")?;
        assert_eq!(s.mounted()?, 0);
        let dir = s.dir.display().to_string();
        run("mount", &["-t", "tmpfs", "tmpfs", &dir])?;
        ensure!(s.c.run("scswitch -z -g g -h phys-1")?.code != 0, "it was mounted over another one");
        assert_eq!(s.mounted()?, 1);
        assert!(s.c.log()?.contains("already, and not by this resource"));
        run("umount", &[&dir]).map(drop)
    })
}

#[test]
fn what_can_not_be_mounted_is_refused_at_creation() -> Result<()> {
    play(|s| {
        let device = s.ext4("image")?;
        let dir = s.dir.display().to_string();
        let other = s.c.dir().join("other").display().to_string();
        fs::create_dir(&other)?;
        run("mount", &[&device.0, &other])?;
        let table = s.c.dir().join("fstab").display().to_string();
        fs::write(&table, format!("/dev/loop0 {dir} ext4 defaults 0 0\n"))?;
        let vfstab = format!("-x VfstabFile={table}");
        for (list, more, wrong) in [
            ("", "", "FilesystemMountPoints is empty"),
            ("/no/such/line", vfstab.as_str(), "no line for /no/such/line"),
            (&dir, &vfstab, "noauto"),
            ("tmpfs:/no/such/dir:tmpfs:", "", "mkdir it on every node"),
            ("tmpfs:/:tmpfs:", "", "root file system"),
            (&format!("{table}:{dir}:ext4:"), "", "is no block device"),
            (&format!("/dev/no-such:{dir}:ext4:"), "", "/dev/no-such"),
            (&format!("LABEL=no-such-label:{dir}:ext4:"), "", "LABEL=no-such-label"),
            (&format!("{}:{dir}:ext4:", device.0), "", "is mounted on"),
            (&format!("tmpfs:{other}:tmpfs:"), "", "already, and not by this resource"),
            (&format!("tmpfs:{dir}:tmpfs:"), "-x FilesystemCheckCommand=/no/such", "/no/such is no file"),
        ] {
            let said = s.c.run(&s.creation(list, more))?;
            ensure!(said.code == 10 && said.err.contains(wrong), "{list} {more}: {said:?}");
        }
        run("umount", &[&other])?;
        s.c.ok(&s.creation("", "-x GlobalDevicePaths=/dev/global"))?;
        Ok(())
    })
}

#[test]
fn the_examples_of_the_page_on_storage_run_as_they_stand() -> Result<()> {
    in_own_mounts(|| {
        DevCluster::play(|c| {
            let image = c.dir().join("image").display().to_string();
            fs::File::create(&image)?.set_len(8 << 20)?;
            run("mkfs.ext4", &["-q", "-L", "db", &image])?;
            let _device = Loop(run("losetup", &["-f", "--show", &image])?.trim().to_owned());
            run("mount", &["-t", "tmpfs", "tmpfs", "/mnt"])?;
            fs::create_dir("/mnt/db")?;
            let table = c.dir().join("fstab").display().to_string();
            fs::write(&table, "")?;
            run("mount", &["--bind", &table, "/etc/fstab"])?;
            agents::run_examples(c, "ha-storage-plus.md")?;
            c.expect("db-rg", [Online, Offline])?;
            c.ok("scswitch -F -g db-rg").map(drop)
        })
    })
}
