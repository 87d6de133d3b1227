//! The log: to the standard error, and to syslog where there is one.
//!
//! In syslog, lines of the daemon carry the tag log-parsing users know, `Cluster.RGM.rgmd`; lines
//! that methods print carry theirs, `[RT,RG,RS]`, handed over in the field `tag`. A syslog that is
//! not there, or does not keep up, holds up nobody: the line is on the standard error in any case.

mod together;

pub use together::together;

use crate::events::tap::Tap;
use crate::settings::{LogLevel, Settings};
use rgm_core::event::{Level, LogLine};
use std::fmt::{self, Write as _};
use std::io;
use std::os::unix::net::UnixDatagram;
use syslog::{Facility, Formatter3164, LogFormat, Severity};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// The daemon's tag.
const TAG: &str = "Cluster.RGM.rgmd";
/// Variable: what is logged, where it is set.
const LEVEL: &str = "RGM_LOG";
/// Where a syslog daemon listens.
const DEV_LOG: &str = "/dev/log";

/// The target of what the core decided.
pub const DECISION: &str = "decision";

/// Starts logging, with a tap for the event log. Once in the life of the process.
pub fn start(settings: &Settings, tap: Tap) {
    let filter = EnvFilter::try_from_env(LEVEL)
        .unwrap_or_else(|_| EnvFilter::default().add_directive(LevelFilter::from(settings.log_level).into()));
    let stderr = tracing_subscriber::fmt::layer().with_target(false).with_writer(together::Lines);
    let (syslog, missing) = match settings.syslog.then(Syslog::open) {
        Some(Ok(syslog)) => (Some(syslog), None),
        Some(Err(error)) => (None, Some(error)),
        None => (None, None),
    };
    let shown = stderr.and_then(syslog).with_filter(filter);
    tracing_subscriber::registry().with(shown).with(tap.with_filter(LevelFilter::INFO)).init();
    if let Some(error) = missing {
        tracing::info!("no syslog on {DEV_LOG} ({error}): the log goes to the standard error only");
    }
}

/// A line of the core.
pub fn decision(line: &LogLine) {
    let (text, event, rule) = (&line.text, &line.cause.event, &line.cause.rule);
    match line.level {
        Level::Error => tracing::error!(target: DECISION, event, rule, "{text}"),
        Level::Warn => tracing::warn!(target: DECISION, event, rule, "{text}"),
        Level::Info => tracing::info!(target: DECISION, event, rule, "{text}"),
        Level::Debug => tracing::debug!(target: DECISION, event, rule, "{text}"),
    }
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

struct Syslog {
    socket: UnixDatagram,
    pid: u32,
}

impl Syslog {
    fn open() -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(DEV_LOG)?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, pid: std::process::id() })
    }
}

impl<S: Subscriber> Layer<S> for Syslog {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let process = line.tag.unwrap_or_else(|| TAG.to_owned());
        let formatter =
            Formatter3164 { facility: Facility::LOG_DAEMON, hostname: None, process, pid: self.pid };
        let mut bytes = Vec::new();
        if formatter.format(&mut bytes, severity(*event.metadata().level()), line.text + &line.fields).is_ok()
        {
            // A syslog that does not keep up loses lines; the standard error has them.
            let _lost = self.socket.send(&bytes);
        }
    }
}

fn severity(level: tracing::Level) -> Severity {
    match level {
        tracing::Level::ERROR => Severity::LOG_ERR,
        tracing::Level::WARN => Severity::LOG_WARNING,
        tracing::Level::INFO => Severity::LOG_NOTICE,
        tracing::Level::DEBUG | tracing::Level::TRACE => Severity::LOG_DEBUG,
    }
}

/// A line taken apart; syslog shows the message, then the other fields.
#[derive(Default)]
pub struct Line {
    /// `[RT,RG,RS]` of a method that printed it.
    pub tag: Option<String>,
    /// The message.
    pub text: String,
    /// The others, a blank before each.
    pub fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String does not fail.
        let _ = match field.name() {
            "message" => write!(self.text, "{value:?}"),
            "tag" => write!(self.tag.get_or_insert_default(), "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "tag" => self.tag = Some(value.to_owned()),
            _ => self.record_debug(field, &value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syslog_gets_the_tag_the_message_and_the_other_fields() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let daemon = UnixDatagram::bind(&path).unwrap();
        let socket = UnixDatagram::unbound().unwrap();
        socket.connect(&path).unwrap();
        let layer = Syslog { socket, pid: 42 };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!(tag = "[T,g,r]", "out of memory");
            tracing::error!(rule = "why", "what");
        });
        let received = || {
            let mut bytes = [0; 1000];
            let len = daemon.recv(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes[..len]).into_owned()
        };
        let line = received();
        assert!(line.starts_with("<29>") && line.ends_with(" [T,g,r][42]: out of memory"), "{line}");
        let line = received();
        assert!(
            line.starts_with("<27>") && line.ends_with(" Cluster.RGM.rgmd[42]: what rule=\"why\""),
            "{line}"
        );
    }
}
