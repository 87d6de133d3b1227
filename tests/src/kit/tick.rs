//! ACME.tick, a data service that does what a test tells it.
//!
//! Its methods are one shell script under many names. Each call appends `begin METHOD RESOURCE NODE`
//! and `end …` to the file `calls`, its arguments to `arguments`; between the two it runs whatever
//! [`Tick::behave`] told it to, and its own work. START has PMF supervise `acme-tick`, and returns when
//! that is up; STOP ends it.

use super::witness::Witness;
use anyhow::{Context, Result};
use rustix::fs::{CWD, Mode, mkfifoat};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Every method that ACME.tick declares, and the file it is in.
const METHODS: [(&str, &str); 12] = [
    ("PRENET_START", "prenet_start"),
    ("START", "start"),
    ("STOP", "stop"),
    ("POSTNET_STOP", "postnet_stop"),
    ("MONITOR_START", "monitor_start"),
    ("MONITOR_STOP", "monitor_stop"),
    ("MONITOR_CHECK", "monitor_check"),
    ("VALIDATE", "validate"),
    ("UPDATE", "update"),
    ("INIT", "init"),
    ("FINI", "fini"),
    ("BOOT", "boot"),
];
/// ACME.bare declares these only.
const BARE: [&str; 2] = ["START", "STOP"];

/// Every property but those that every type has.
const PROPERTIES: &str = "
{ PROPERTY = Retry_count; MIN = -1; MAX = 10; DEFAULT = 2; TUNABLE = ANYTIME; }
{ PROPERTY = Retry_interval; MIN = 1; MAX = 3600; DEFAULT = 300; TUNABLE = ANYTIME; }
{ PROPERTY = Greeting; EXTENSION; STRING; DEFAULT = \"hello\"; TUNABLE = ANYTIME; DESCRIPTION = \"what it says\"; }
{ PROPERTY = Rooms; EXTENSION; STRINGARRAY; DEFAULT = ; TUNABLE = ANYTIME; DESCRIPTION = \"where\"; }
{ PROPERTY = Level; EXTENSION; INT; MIN = 1; MAX = 9; DEFAULT = 5; TUNABLE = AT_CREATION; DESCRIPTION = \"how loud\"; }
";

const SCRIPT: &str = r#"#!/bin/sh
dir=DIR
tab=$(printf '\t.') && tab=${tab%.}
words=$RGM_METHOD
for arg; do words=$words$tab$arg; done
printf '%s\n' "$words" >>"$dir/arguments"
while [ $# -gt 0 ]; do
    case $1 in
    -R) resource=$2 ;;
    -G) group=$2 ;;
    esac
    shift
done
say() { echo "$1 $RGM_METHOD $resource $RGM_NODE" >>"$dir/calls"; }
say begin
for told in "$dir/told/$resource.$RGM_METHOD" "$dir/told/$resource.$RGM_METHOD.$RGM_NODE"; do
    if [ -f "$told" ]; then . "$told"; fi
done
tag=$resource.svc
case $RGM_METHOD in
START)
    retries=$(scha_resource_get -O Retry_count -R "$resource" -G "$group" 2>/dev/null) || retries=2
    ready=$dir/$resource.$RGM_NODE.ready
    [ -p "$ready" ] || mkfifo "$ready"
    exec 3<>"$ready"
    pmfadm -c "$tag" -n "$retries" -t 5 "$dir/bin/acme-tick" "$resource" "$dir" || exit 1
    read -r answer <&3
    ;;
STOP)
    if pmfadm -q "$tag"; then
        pmfadm -s "$tag" -w 20 TERM || pmfadm -s "$tag" -w -1 KILL || exit 1
    fi
    ;;
MONITOR_START)
    pmfadm -q "$resource.mon" || pmfadm -c "$resource.mon" -n -1 sleep infinity || exit 1
    ;;
MONITOR_STOP)
    if pmfadm -q "$resource.mon"; then
        pmfadm -s "$resource.mon" -w -1 KILL || exit 1
    fi
    ;;
esac
say end
"#;

/// The data service, in the directory of a cluster.
#[derive(Debug, Clone)]
pub struct Tick {
    dir: PathBuf,
}

impl Tick {
    /// Writes its methods and registration files.
    pub fn install(dir: &Path) -> Result<Self> {
        let tick = Self { dir: dir.to_owned() };
        for sub in ["methods", "told", "rtreg"] {
            fs::create_dir_all(dir.join(sub))?;
        }
        let script = SCRIPT.replace("DIR", &dir.to_string_lossy());
        for (_, file) in METHODS {
            tick.write_method(file, &script)?;
        }
        fs::write(tick.rtr("ACME.tick"), tick.registration("tick", |_| true) + PROPERTIES)?;
        fs::write(
            tick.rtr("ACME.bare"),
            tick.registration("bare", |method| BARE.contains(&method)) + PROPERTIES,
        )?;
        Ok(tick)
    }

    /// The registration file of a type.
    pub fn rtr(&self, type_name: &str) -> PathBuf {
        self.dir.join("rtreg").join(type_name)
    }

    /// The file of a method.
    pub fn method(&self, file: &str) -> PathBuf {
        self.dir.join("methods").join(file)
    }

    /// Makes the text a method.
    pub fn write_method(&self, file: &str, text: &str) -> Result<()> {
        let path = self.method(file);
        fs::write(&path, text)?;
        Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?)
    }

    /// Lines of shell that the method of the resource runs before its own work from now on; with a
    /// node only there, `METHOD.NODE`. An empty text takes them back.
    pub fn behave(&self, resource: &str, method: &str, text: &str) -> Result<()> {
        // Not written in place: a method may be reading it.
        let (new, told) =
            (self.dir.join("told.new"), self.dir.join("told").join(format!("{resource}.{method}")));
        fs::write(&new, format!("{text}\n"))?;
        Ok(fs::rename(new, told)?)
    }

    /// Lets the method wait until [`Gate::open`].
    pub fn gate(&self, resource: &str, method: &str) -> Result<Gate> {
        let fifo = self.dir.join(format!("{resource}.{method}.gate"));
        if !fifo.exists() {
            mkfifoat(CWD, &fifo, Mode::from_raw_mode(0o600))?;
        }
        self.behave(resource, method, &format!("read -r answer <{}", fifo.display()))?;
        let told = self.dir.join("told").join(format!("{resource}.{method}"));
        Ok(Gate { fifo, told })
    }

    /// The lines of `calls`: `begin START r phys-1`.
    pub fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The methods that began, as `METHOD RESOURCE NODE`, without the first so many.
    pub fn begun(&self, skipped: usize) -> Vec<String> {
        let calls = self.calls();
        let begun = calls.iter().filter_map(|line| line.strip_prefix("begin "));
        begun.skip(skipped).map(str::to_owned).collect()
    }

    /// The arguments of every call of that method, in the order of the calls.
    pub fn arguments(&self, method: &str) -> Vec<Vec<String>> {
        let text = fs::read_to_string(self.dir.join("arguments")).unwrap_or_default();
        let words = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>();
        let lines = text.lines().map(words);
        lines
            .filter(|words| words.first().is_some_and(|w| w == method))
            .map(|words| words[1..].to_vec())
            .collect()
    }

    /// What the resource's application has seen.
    pub fn witness(&self, resource: &str) -> Witness {
        Witness::new(&self.dir, resource)
    }

    fn registration(&self, name: &str, has: impl Fn(&str) -> bool) -> String {
        let methods: String = METHODS
            .iter()
            .filter(|(method, _)| has(method))
            .map(|(method, file)| format!("{method} = {file};\n"))
            .collect();
        format!(
            "RESOURCE_TYPE = {name};\nVENDOR_ID = ACME;\nRT_VERSION = \"1.0\";\nAPI_VERSION = 2;\nFAILOVER = TRUE;\n\
             RT_BASEDIR = \"{}\";\n{methods}",
            self.dir.join("methods").display()
        )
    }
}

/// A method waits behind it.
#[derive(Debug)]
pub struct Gate {
    fifo: PathBuf,
    told: PathBuf,
}

impl Gate {
    /// Lets whoever waits go on, and nobody wait any more.
    pub fn open(self) -> Result<()> {
        fs::remove_file(&self.told)?;
        // Read and write, so that opening does not wait for a reader that may be gone. One reads the
        // line, others find the end of the file.
        let mut fifo = fs::File::options().read(true).write(true).open(&self.fifo)?;
        fifo.write_all(b"go\n").with_context(|| self.fifo.display().to_string())
    }
}
