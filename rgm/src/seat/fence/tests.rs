use super::*;
use crate::settings::fence::Fenced;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// Agents that note what they are told, in a directory; and a node with devices.
struct Rack {
    dir: tempfile::TempDir,
    fenced: Fenced,
}

impl Rack {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), fenced: Fenced::default() }
    }

    /// A device whose agent notes its input and then does `script`.
    fn device(mut self, level: u32, name: &str, action: &str, script: &str) -> Self {
        let (agent, told) = (self.dir.path().join(name), self.dir.path().join("told"));
        let told = told.display();
        let text = format!("#!/bin/sh\nsed \"s/^/{name} /\" >> {told}\n[ $# = 0 ] || exit 9\n{script}\n");
        fs::write(&agent, text).unwrap();
        fs::set_permissions(&agent, fs::Permissions::from_mode(0o755)).unwrap();
        self.add(&agent, level, name, action);
        self
    }

    fn add(&mut self, agent: &Path, level: u32, name: &str, action: &str) {
        let text = format!(
            "agent = {agent:?}\nlevel = {level}\naction = {action:?}\ntimeout = \"500ms\"\noptions = {{ plug = {name:?} }}"
        );
        self.fenced.device.push(toml::from_str(&text).unwrap());
    }

    fn fencer(&self) -> Fencer {
        Fencer::new(Fence::from([(node(), self.fenced.clone())]), None)
    }

    fn fence(&self) -> Result<(), Vec<String>> {
        self.fence_while(async || Ok(()))
    }

    fn fence_while(&self, still: impl AsyncFn() -> Result<(), String>) -> Result<(), Vec<String>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(self.fencer().fence(&node(), still))
    }

    fn told(&self) -> String {
        fs::read_to_string(self.dir.path().join("told")).unwrap_or_default().replace('\n', ";")
    }
}

fn node() -> NodeName {
    NodeName::new("phys-2").unwrap()
}

#[test]
fn an_agent_reads_what_to_do_on_its_input_and_confirms_with_0() {
    let rack = Rack::new().device(1, "ipmi", "reboot", "exit 0");
    assert_eq!(rack.fence(), Ok(()));
    assert_eq!(rack.told(), "ipmi action=reboot;ipmi plug=ipmi;");
}

#[test]
fn where_a_level_fails_the_next_one_is_asked_and_the_error_names_every_failure() {
    let rack = Rack::new().device(2, "pdu", "off", "exit 0").device(1, "ipmi", "off", "exit 1");
    assert_eq!(rack.fence(), Ok(()));
    assert_eq!(rack.told(), "ipmi action=off;ipmi plug=ipmi;pdu action=off;pdu plug=pdu;");

    let mut rack = Rack::new()
        .device(1, "ipmi", "off", "echo 'Unable to connect'; exit 3")
        .device(2, "slow", "off", "sleep 600 & sleep 600")
        .device(3, "shot", "off", "kill -9 $$");
    rack.add(Path::new("/no/such/agent"), 4, "none", "off");
    let failures = rack.fence().unwrap_err();
    for (failure, words) in failures.iter().zip([
        &["ipmi off of node phys-2", "with 3", "Unable to connect"][..],
        &["slow", "no answer within 500ms"],
        &["shot", "signal 9"],
        &["/no/such/agent"],
    ]) {
        assert!(words.iter().all(|word| failure.contains(word)), "{failure}");
    }
    assert_eq!(failures.len(), 4);
}

#[test]
fn a_machine_with_two_supplies_is_off_on_both_before_either_comes_back() {
    let rack = Rack::new().device(1, "left", "reboot", "").device(1, "right", "reboot", "");
    assert_eq!(rack.fence(), Ok(()));
    let actions: Vec<String> =
        rack.told().split(';').filter(|line| line.contains("action")).map(Into::into).collect();
    assert_eq!(actions, ["left action=off", "right action=off", "left action=on", "right action=on"]);
    let plan = rack.fencer().plan(&node());
    assert!(plan.len() == 4 && plan[0].starts_with("level 1: ") && plan[0].contains("left off"), "{plan:?}");

    let rack = Rack::new().device(1, "left", "off", "").device(1, "right", "off", "exit 1");
    assert_eq!(rack.fence().unwrap_err().len(), 1, "one supply is not both");
}

#[test]
fn a_device_that_does_not_bring_the_node_back_has_fenced_it_all_the_same() {
    let stuck = "grep -q 'right action=on' \"$(dirname $0)/told\" && exit 1; exit 0";
    let rack = Rack::new().device(1, "left", "reboot", "").device(1, "right", "reboot", stuck);
    assert_eq!(rack.fence(), Ok(()));
}

#[test]
fn who_is_not_president_any_more_asks_no_further_level() {
    let rack = Rack::new().device(1, "ipmi", "off", "exit 1").device(2, "pdu", "off", "exit 0");
    let asked = Cell::new(0);
    let still = async || {
        asked.set(asked.get() + 1);
        if asked.get() == 1 { Ok(()) } else { Err("another one is president".to_owned()) }
    };
    let failures = rack.fence_while(still).unwrap_err();
    assert!(failures.len() == 2 && failures[1].contains("another one"), "{failures:?}");
    assert_eq!(rack.told(), "ipmi action=off;ipmi plug=ipmi;");
}

#[test]
fn a_node_without_devices_has_no_plan() {
    let fencer = Rack::new().fencer();
    assert_eq!((fencer.delay(&node()), fencer.plan(&node())), (None, vec![]));
    let rack = Rack::new().device(1, "ipmi", "off", "");
    assert_eq!(rack.fencer().delay(&node()), Some(Duration::ZERO));
}
