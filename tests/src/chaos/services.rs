//! What the cluster runs: groups of one beating resource each, some of which go by others.

use crate::kit::beat::{self, Beat, Beats};
use crate::kit::machines::Site;
use anyhow::Result;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// How many groups.
pub const GROUPS: usize = 20;

/// Properties of groups, by number from 1. The others go by nobody.
const GROUP_PROPERTIES: [(usize, &str); 6] = [
    (2, "RG_affinities=++g1"),
    (4, "RG_affinities=--g3"),
    (6, "RG_affinities=+g5"),
    (8, "RG_affinities=-g7"),
    (10, "RG_dependencies=g9"),
    (12, "RG_affinities=+g11,-g3"),
];
/// Properties of resources, by number from 1.
const RESOURCE_PROPERTIES: [(usize, &str); 3] = [
    (14, "Resource_dependencies=r13"),
    (16, "Resource_dependencies_weak=r15"),
    (18, "Resource_dependencies_restart=r17"),
];
/// What is killed on a machine is not a reason to keep away from it for an hour.
const OF_GROUPS: &str = "Pingpong_interval=0";
/// Who has lost an application, as often as chaos wants, starts it again.
const OF_RESOURCES: &str = "-p Retry_count=-1 -p Start_timeout=25 -p Stop_timeout=30";
/// More than a beat, and than a busy machine takes.
const TAIL: u64 = 512;

/// The name of a group.
pub fn group(number: usize) -> String {
    format!("g{}", number + 1)
}

/// The name of its resource.
pub fn resource(number: usize) -> String {
    format!("r{}", number + 1)
}

/// Makes all of them, and brings them online.
pub fn create(site: &Site) -> Result<()> {
    beat::install(site.dir())?;
    site.ok("clrt register ACME.beat")?;
    for number in 0..GROUPS {
        let (group, resource) = (group(number), resource(number));
        let of_group = given(&GROUP_PROPERTIES, number);
        // Each begins on another machine.
        let mut nodes: Vec<&str> = site.machines.iter().map(|machine| machine.name.as_str()).collect();
        nodes.rotate_left(number % site.machines.len());
        let nodes = nodes.join(",");
        site.ok(&format!("clrg create -n {nodes} -p {OF_GROUPS} {of_group} {group}"))?;
        let of_resource = given(&RESOURCE_PROPERTIES, number);
        // A stop that fails takes the node with it, or waits for an operator.
        let mode = if number % 2 == 0 { "HARD" } else { "SOFT" };
        let modes = format!("-p Failover_mode={mode} {OF_RESOURCES} {of_resource}");
        site.ok(&format!("clrs create -g {group} -t ACME.beat {modes} {resource}"))?;
    }
    site.ok("clrg online -e -M +").map(drop)
}

fn given(properties: &[(usize, &str)], number: usize) -> String {
    let given = properties.iter().filter(|(of, _)| *of == number + 1);
    given.map(|(_, property)| format!("-p {property}")).collect::<Vec<_>>().join(" ")
}

/// The resource's beats.
pub fn beats(dir: &Path, number: usize) -> Beats {
    Beats::of(dir, &resource(number))
}

/// The last beat of a resource.
pub fn last_beat(dir: &Path, number: usize) -> Option<Beat> {
    let path: PathBuf = dir.join(format!("{}.beat", resource(number)));
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).ok()?;
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let whole = text.rsplit_once('\n')?.0;
    beat::parse(whole.rsplit('\n').next()?).ok()
}
