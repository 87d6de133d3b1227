//! `cluster cert`: the authority of a cluster of several machines, and the certificates of its nodes.
//! It works on files alone; no daemon is asked.

use crate::cl::layout::{Sheet, plain};
use crate::cl::{Call, ClErr, Work};
use crate::failure::Failure;
use crate::names;
use rgm_cluster::cert::{self, CertError, Facts, Kind, NODE_DAYS, Plan};
use serde::Serialize;
use std::path::Path;
use std::time::SystemTime;

/// Where the files are, if `-d` says nothing else.
const DIR: &str = "/etc/rgm/tls";
const SECS_OF_DAY: u64 = 86_400;

/// Which options go with what; `-v` and the like go with all.
const FORMS: [(&str, &[&str]); 3] = [
    ("init", &["-c", "-d", "--dry-run"]),
    ("issue", &["-n", "--host", "--days", "-d", "--dry-run"]),
    ("show", &["--json"]),
];
const OWN: [&str; 7] = ["-c", "-d", "-n", "--host", "--days", "--dry-run", "--json"];

/// Does what the first operand says.
pub fn run(call: &Call) -> Result<Work, Failure> {
    let operands: Vec<&str> = call.args.operands.iter().map(String::as_str).collect();
    let (word, rest) = operands.split_first().map_or(("", &[][..]), |(word, rest)| (*word, rest));
    let Some((_, may)) = FORMS.iter().find(|(form, _)| *form == word) else {
        return Err(call.args.misuse(format!("cert {word}: it is cert init, cert issue or cert show")));
    };
    if let Some(stray) = OWN.iter().find(|option| call.args.has(option) && !may.contains(option)) {
        return Err(call.args.misuse(format!("{stray} does not go with cert {word}")));
    }
    match (word, rest) {
        ("show", [file]) => show(call, Path::new(file)),
        ("show", _) => Err(call.args.misuse("cert show needs one FILE")),
        (_, [stray, ..]) => {
            Err(call.args.misuse(format!("{stray:?} is neither an option nor the value of one")))
        }
        ("init", []) => init(call),
        (_, []) => issue(call),
    }
}

fn init(call: &Call) -> Result<Work, Failure> {
    let cluster = call.args.needed("-c")?;
    let plan = cert::plan_init(dir(call)?, cluster);
    carry_out(call, &plan.map_err(|error| failure(&error))?)
}

fn issue(call: &Call) -> Result<Work, Failure> {
    let node = names::node(call.args.needed("-n")?)?;
    let hosts = if call.args.has("--host") { call.args.items("--host")? } else { Vec::new() };
    let days = match call.args.one("--days")? {
        None => NODE_DAYS,
        Some(text) => {
            text.parse().map_err(|_| call.args.misuse(format!("--days {text}: it is a number of days")))?
        }
    };
    let plan = cert::plan_issue(dir(call)?, &node, &hosts, days);
    carry_out(call, &plan.map_err(|error| failure(&error))?)
}

fn dir(call: &Call) -> Result<&Path, Failure> {
    Ok(Path::new(if call.args.has("-d") { call.args.needed("-d")? } else { DIR }))
}

/// Says what is written, and what it says.
fn carry_out(call: &Call, plan: &Plan) -> Result<Work, Failure> {
    let dry = call.args.has("--dry-run");
    if !dry {
        plan.write().map_err(|error| failure(&error))?;
    }
    let mut text = String::new();
    for (path, replaces) in plan.files() {
        let done = match (dry, replaces) {
            (false, false) => "written",
            (false, true) => "replaced",
            (true, false) => "would be written",
            (true, true) => "would be replaced",
        };
        text.push_str(&format!("{}: {done}\n", path.display()));
    }
    let shown = Shown::of(&plan.facts, SystemTime::now());
    text.push_str(&format!("{}, valid until {}\n", shown.title(), shown.not_after));
    Ok(Work::print(text))
}

/// A certificate as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    kind: &'static str,
    cluster: Option<String>,
    node: Option<String>,
    hosts: Vec<String>,
    subject: String,
    issuer: String,
    not_before: String,
    not_after: String,
    /// Whole days; negative once it has expired.
    days_left: i64,
    serial: String,
}

impl Shown {
    fn of(facts: &Facts, now: SystemTime) -> Self {
        let time = |time| humantime::format_rfc3339_seconds(time).to_string();
        let days = |secs: u64| i64::try_from(secs / SECS_OF_DAY).unwrap_or(i64::MAX);
        Self {
            kind: match facts.kind {
                Kind::Authority => "authority",
                Kind::Node => "node",
            },
            cluster: facts.cluster.clone(),
            node: facts.node.as_ref().map(ToString::to_string).filter(|_| facts.kind == Kind::Node),
            hosts: facts.hosts.clone(),
            subject: facts.subject.clone(),
            issuer: facts.issuer.clone(),
            not_before: time(facts.not_before),
            not_after: time(facts.not_after),
            days_left: match now.duration_since(facts.not_after) {
                Ok(over) => -1 - days(over.as_secs()),
                Err(left) => days(left.duration().as_secs()),
            },
            serial: facts.serial.clone(),
        }
    }

    fn title(&self) -> String {
        let cluster = self.cluster.as_deref().unwrap_or("-");
        match &self.node {
            Some(node) => format!("certificate of node {} of cluster {}", plain(node), plain(cluster)),
            None => format!("certificate authority of cluster {}", plain(cluster)),
        }
    }

    fn left(&self) -> String {
        if self.days_left < 0 { "expired".to_owned() } else { format!("{} days left", self.days_left) }
    }
}

fn show(call: &Call, file: &Path) -> Result<Work, Failure> {
    let now = SystemTime::now();
    let facts = cert::read(file).map_err(|error| failure(&error))?;
    let shown: Vec<Shown> = facts.iter().map(|facts| Shown::of(facts, now)).collect();
    if call.args.has("--json") {
        return Ok(Work::print(crate::json::pretty(&shown)?));
    }
    let mut sheet = Sheet::titled("Certificates");
    for cert in &shown {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "<none>".to_owned());
        sheet.head(0, "Certificate", &file.display().to_string());
        sheet.line(2, "Kind", cert.kind);
        sheet.line(2, "Cluster", &or_none(&cert.cluster));
        if cert.kind == "node" {
            sheet.line(2, "Node", &or_none(&cert.node));
            sheet.line(2, "Hosts", &cert.hosts.join(", "));
        }
        sheet.line(2, "Issuer", &cert.issuer);
        sheet.line(2, "Valid From", &cert.not_before);
        sheet.line(2, "Valid Until", &format!("{} ({})", cert.not_after, cert.left()));
        sheet.line(2, "Serial Number", &cert.serial);
    }
    Ok(Work::print(sheet.text()))
}

fn failure(error: &CertError) -> Failure {
    let (code, hint) = match error {
        CertError::Exists(_) => (
            ClErr::Exist,
            "remove it yourself if nothing needs it any more, or name another directory with -d",
        ),
        CertError::File { .. } => (ClErr::Io, ""),
        CertError::NoCa { .. } => {
            (ClErr::Noent, "cluster cert init -c CLUSTER makes one; -d names the directory where it is")
        }
        CertError::Wrong { .. } | CertError::Cluster { .. } | CertError::Host(_) | CertError::Days { .. } => {
            (ClErr::Inval, "")
        }
        CertError::Made(_) => (ClErr::Internal, ""),
    };
    let source = std::error::Error::source(error).map(|source| format!(": {source}"));
    Failure::cl(code, format!("{error}{}", source.unwrap_or_default()), hint)
}
