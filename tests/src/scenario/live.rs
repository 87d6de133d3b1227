//! The same stories, played by the real daemons: a cluster on this machine, the real commands, and
//! methods that are processes.
//!
//! Every method is one shell script. It says that it has begun, and waits for the story to say how it
//! ends: a line in a fifo. What the story tells under a step must come to be: exactly these methods
//! begin, these commands end with these answers, and every state is in the end as it was told; what
//! was not told has not changed. Lines of the log are not compared, nor states that only pass by.

use super::command::{Registration, registration};
use super::options::words;
use super::step::{self, Step};
use super::tell;
use crate::kit::cluster::Running;
use crate::kit::{DevCluster, Said, until};
use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use rgm_core::Ending;
use rgm_types::{Method, NodeName, ResourceName};
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What every method of a story does.
const METHOD: &str = r#"#!/bin/sh
for arg; do
    if [ "$previous" = -R ]; then resource=$arg; fi
    previous=$arg
done
gate=DIR/$RGM_METHOD.$resource.$RGM_NODE
[ -p "$gate" ] || mkfifo "$gate"
echo "$RGM_METHOD $resource on $RGM_NODE" >>DIR/begun
if [ -e DIR/over ]; then exit 0; fi
read -r how said <"$gate"
if [ -n "$said" ]; then echo "$said" >&2; fi
case $how in
signal) kill -9 $$ ;;
*) exit "$how" ;;
esac
"#;

/// Plays a story; an error says at which step it went another way.
pub fn play(story: &str) -> Result<()> {
    let mut stage: Option<Stage> = None;
    let mut lines = story.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let mut follows = Vec::new();
        while let Some((_, line)) = lines.next_if(|(_, l)| l.starts_with(' ') || l.starts_with('#')) {
            follows.extend(line.strip_prefix("    "));
        }
        let told = Told::read(&follows);
        let step = step::parse(line)?;
        let taken = if let Step::Nodes { up, down } = &step {
            ensure!(down.is_empty(), "line {}: a node that is down from the start", number + 1);
            stage.take().map_or(Ok(()), Stage::close)?;
            Stage::open(up).map(|s| stage = Some(s))
        } else {
            let stage = stage.as_mut().context("a story begins with its nodes")?;
            stage.take(line, &step, &told).inspect_err(|_| eprintln!("{}", stage.cluster.last_words()))
        };
        taken.with_context(|| format!("line {}: {line}", number + 1))?;
    }
    stage.map_or(Ok(()), Stage::close)
}

/// What a story tells under a step, as far as it is compared.
#[derive(Debug, Default)]
struct Told {
    runs: Vec<String>,
    states: Vec<(String, String)>,
    printed: Vec<String>,
    /// Answers to earlier commands, by their lines, and to the step itself.
    answers: Vec<(Option<String>, Answer)>,
    /// Lines of `state`.
    plain: Vec<(String, String)>,
}

#[derive(Debug)]
struct Answer {
    code: i32,
    /// What is said.
    message: String,
}

impl Told {
    fn read(follows: &[&str]) -> Self {
        let mut told = Self::default();
        let mut whose = None;
        for line in follows {
            if let Some(method) = line.strip_prefix("run ") {
                told.runs.push(method.to_string());
            } else if let Some(value) = line.strip_prefix('>') {
                told.printed.push(value.trim_start().to_string());
            } else if let Some(asked) = line.strip_prefix("answer to ") {
                whose = Some(asked.to_string());
            } else if *line == "ok" {
                told.answers.push((whose.take(), Answer { code: 0, message: String::new() }));
            } else if let Some(refused) = line.strip_prefix("exit ") {
                told.answers.extend(Answer::read(refused).map(|a| (whose.take(), a)));
            } else if let Some((what, is)) = line.split_once(" is ").filter(|(what, _)| of_a_node(what)) {
                told.states.push((what.to_string(), is.to_string()));
            } else if let Some((what, is)) = line.split_once(": ").filter(|(what, _)| of_a_node(what)) {
                told.plain.push((what.to_string(), is.to_string()));
            }
        }
        told
    }
}

/// `g on phys-1`.
fn of_a_node(what: &str) -> bool {
    matches!(what.split(' ').collect::<Vec<_>>().as_slice(), [_, "on", _])
}

impl Answer {
    /// `3 SCHA_ERR_INVAL: property …`
    fn read(text: &str) -> Option<Self> {
        let (code, rest) = text.split_once(' ')?;
        let message = rest.split_once(": ").map_or("", |(_, message)| message);
        Some(Self { code: code.parse().ok()?, message: message.to_string() })
    }
}

/// A cluster, and what the story has told of it so far.
struct Stage {
    cluster: DevCluster,
    dir: PathBuf,
    /// Commands that have not been answered.
    asked: Vec<(String, Running)>,
    /// Methods that have begun, since there is a cluster.
    begun: usize,
    /// Those that have begun in this step.
    fresh: Vec<String>,
    /// Those that the story has not let end.
    running: Vec<String>,
    /// Every state that the story has told of.
    states: BTreeMap<String, String>,
}

impl Stage {
    fn open(nodes: &[NodeName]) -> Result<Self> {
        let nodes: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
        let mut cluster = DevCluster::prepare_with(&nodes)?;
        let dir = cluster.dir().join("story");
        fs::create_dir(&dir)?;
        cluster.start()?;
        let (asked, fresh, running) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { cluster, dir, asked, begun: 0, fresh, running, states: BTreeMap::new() })
    }

    /// The story is over: every method ends well by itself, and the cluster with it.
    fn close(mut self) -> Result<()> {
        fs::write(self.dir.join("over"), "")?;
        for method in std::mem::take(&mut self.running) {
            self.release(&method, "0")?;
        }
        self.cluster.finish()
    }

    fn take(&mut self, line: &str, step: &Step, told: &Told) -> Result<()> {
        self.states.extend(told.states.iter().cloned());
        self.perform(line, step, told)?;
        self.methods_begin(told)?;
        for (asked, answer) in &told.answers {
            self.is_answered(asked.as_deref().unwrap_or(line), answer)?;
        }
        self.states_come_to_be()?;
        self.methods_begin(told)?;
        self.fresh.clear();
        for (asked, running) in &mut self.asked {
            ensure!(running.is_running()?, "{asked} was answered, and nobody told so");
        }
        Ok(())
    }

    fn perform(&mut self, line: &str, step: &Step, told: &Told) -> Result<()> {
        match step {
            Step::Ask { .. } if line.starts_with("type ") => {
                let command = self.write_type(line)?;
                self.begin(line, &command)
            }
            Step::Ask { .. } | Step::Get { .. } => self.begin(line, line),
            Step::Ends { method, resource, node, ending, said } => {
                let name = format!("{method} {resource} on {node}");
                let said = said.join(" ");
                match ending {
                    Ending::Exited(code) => self.release(&name, &format!("{code} {said}")),
                    Ending::Signalled(_) => self.release(&name, "signal"),
                    // The daemon ends it.
                    Ending::TimedOut | Ending::Killed => {
                        self.running.retain(|m| *m != name);
                        Ok(())
                    }
                    Ending::NotStarted | Ending::Lost => bail!("no process ends like that"),
                }
            }
            Step::Finish { but } => self.finish(but.as_ref(), told),
            Step::State => {
                self.states.extend(told.plain.iter().cloned());
                Ok(())
            }
            Step::Nodes { .. }
            | Step::DryRun { .. }
            | Step::Foretold
            | Step::NodeDies(_)
            | Step::NodeJoins(_)
            | Step::PmfGivesUp { .. }
            | Step::Clock { .. }
            | Step::DaemonKilled
            | Step::KilledAtCommit { .. }
            | Step::ClusterBoots { .. }
            | Step::ShutDown
            | Step::Declared(_)
            | Step::Properties(_)
            | Step::Explain(_)
            | Step::WithArguments => bail!("this is not done to a running cluster"),
        }?;
        // A read is answered at once, whether it prints something or nothing.
        if matches!(step, Step::Get { .. }) && told.answers.is_empty() {
            let said = self.answer_to(line)?;
            let out = said.out.replace(&*self.dir.to_string_lossy(), "/opt");
            ensure!(said.code == 0 && out.lines().eq(&told.printed), "{said:?}");
        }
        Ok(())
    }

    /// Writes a type's registration file and methods; gives the command that registers it.
    fn write_type(&self, line: &str) -> Result<String> {
        let Registration { name, basedir, text } = registration(line, &self.dir.to_string_lossy())?;
        fs::create_dir_all(&basedir)?;
        for method in Method::ALL {
            let file = Path::new(&basedir).join(method.word().to_ascii_lowercase());
            fs::write(&file, METHOD.replace("DIR", &self.dir.to_string_lossy()))?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        }
        let file = self.dir.join(format!("{name}.rtr"));
        fs::write(&file, text)?;
        Ok(format!("scrgadm -a -t {name} -f {}", file.display()))
    }

    fn begin(&mut self, line: &str, command: &str) -> Result<()> {
        let words = words(command);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (node, words) = match words.as_slice() {
            [before @ .., "on", node] => (Some(*node), before),
            all => (None, all),
        };
        let running = self.cluster.begin_words(node, words)?;
        let pid = running.pid();
        self.asked.push((line.to_string(), running));
        until("the command waits for its answer, or has it", || Ok(waits(pid).then_some(())))
    }

    fn answer_to(&mut self, line: &str) -> Result<Said> {
        let found = self.asked.iter().position(|(asked, _)| asked == line);
        self.asked.remove(found.with_context(|| format!("{line} was answered before"))?).1.end()
    }

    fn is_answered(&mut self, line: &str, answer: &Answer) -> Result<()> {
        let said = self.answer_to(line)?;
        ensure!(said.code == answer.code, "exit {} instead of {}: {said:?}", said.code, answer.code);
        // How long something took is another matter each time.
        let same = answer.message.contains(" ms") || said.err.contains(&answer.message);
        ensure!(same, "it was to say {:?}: {said:?}", answer.message);
        Ok(())
    }

    /// Lets methods end well until as many have begun as the story tells, and none runs.
    fn finish(&mut self, but: Option<&(Method, ResourceName)>, told: &Told) -> Result<()> {
        let left = but.map(|(method, resource)| format!("{method} {resource} on "));
        let ends = |method: &String| left.as_ref().is_none_or(|l| !method.starts_with(l));
        until("every method that was told of has begun and ended", || {
            self.look()?;
            let ending: Vec<String> = self.running.iter().filter(|m| ends(m)).cloned().collect();
            ending.iter().try_for_each(|method| self.release(method, "0"))?;
            Ok((ending.is_empty() && self.fresh.len() >= told.runs.len()).then_some(()))
        })
        .with_context(|| format!("{:?} of {:?} have begun", self.fresh, told.runs))
    }

    /// The methods of the step begin, and no others.
    fn methods_begin(&mut self, told: &Told) -> Result<()> {
        until("methods begin", || {
            self.look()?;
            Ok((self.fresh.len() >= told.runs.len()).then_some(()))
        })
        .with_context(|| format!("{:?} of {:?} have begun", self.fresh, told.runs))?;
        let mut runs = told.runs.clone();
        runs.sort();
        self.fresh.sort();
        ensure!(self.fresh == runs, "{:?} have begun instead of {runs:?}", self.fresh);
        Ok(())
    }

    /// Takes note of methods that have begun.
    fn look(&mut self) -> Result<()> {
        let text = fs::read_to_string(self.dir.join("begun")).unwrap_or_default();
        let fresh: Vec<String> = text.lines().skip(self.begun).map(String::from).collect();
        self.begun += fresh.len();
        self.running.extend(fresh.iter().cloned());
        self.fresh.extend(fresh);
        Ok(())
    }

    /// Tells a method how to end.
    fn release(&mut self, method: &str, how: &str) -> Result<()> {
        let found = self.running.iter().position(|m| m == method);
        self.running.remove(found.with_context(|| format!("{method} is not running"))?);
        let fifo = self.dir.join(method.replace(" on ", " ").replace(' ', "."));
        // It has begun, and opens its end in a moment.
        let mut gate = until(&format!("{method} listens"), || {
            let opened = OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(&fifo);
            match opened {
                Err(e) if e.raw_os_error() == Some(Errno::ENXIO as i32) => Ok(None),
                opened => Ok(Some(opened?)),
            }
        })?;
        Ok(writeln!(gate, "{how}")?)
    }

    /// Every state gets what it was told to be in the end; what was not told of is as after a boot.
    fn states_come_to_be(&self) -> Result<()> {
        let wrong = || -> Result<Vec<String>> {
            let states = tell::states(&self.cluster.snapshot()?);
            let fresh = |is: &str| matches!(is, "UNMANAGED" | "OFFLINE" | "OFFLINE, OFFLINE");
            let is_wrong = |(what, is): &(String, String)| match self.states.get(what) {
                Some(told) => told != is,
                None => !fresh(is),
            };
            Ok(states.into_iter().filter(is_wrong).map(|(what, is)| format!("{what} is {is}")).collect())
        };
        let seen = until("states come to be", || Ok(wrong()?.is_empty().then_some(())));
        seen.with_context(|| format!("not as told: {:?}", wrong()))
    }
}

/// The process has asked the daemon, and sleeps until it answers; or it is gone.
fn waits(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    match stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next()) {
        Some('S') => {
            let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            let links = fds.filter_map(|fd| fs::read_link(fd.path()).ok());
            links.into_iter().any(|link| link.to_string_lossy().starts_with("socket:"))
        }
        Some('Z' | 'X') | None => true,
        Some(_) => false,
    }
}
