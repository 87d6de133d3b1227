//! Log lines: to standard error, and to the system log under the tag `Cluster.PMF.pmfd`.
//!
//! Machines without a system log exist; there, standard error is all there is.

use std::fmt::{self, Write as _};
use std::sync::{Mutex, PoisonError};

use syslog::{Facility, Formatter3164, Logger, LoggerBackend};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt as lines};

/// What the system log knows pmfd as.
const TAG: &str = "Cluster.PMF.pmfd";

/// Sends log lines where they belong, from now on.
pub fn begin() {
    let filter = EnvFilter::try_from_env("RGM_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = lines::layer().with_writer(std::io::stderr).with_target(false).with_ansi(false);
    tracing_subscriber::registry().with(filter).with(lines).with(SystemLog::open()).init();
}

struct SystemLog(Mutex<Logger<LoggerBackend, Formatter3164>>);

impl SystemLog {
    fn open() -> Option<Self> {
        let formatter = Formatter3164 {
            facility: Facility::LOG_DAEMON,
            hostname: None,
            process: TAG.to_owned(),
            pid: std::process::id(),
        };
        syslog::unix(formatter).ok().map(|logger| Self(Mutex::new(logger)))
    }
}

impl<S: Subscriber> Layer<S> for SystemLog {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let mut logger = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A line that can't be delivered is on standard error all the same.
        let _undelivered = match *event.metadata().level() {
            Level::ERROR => logger.err(text.0),
            Level::WARN => logger.warning(text.0),
            Level::INFO => logger.notice(text.0),
            Level::DEBUG | Level::TRACE => logger.debug(text.0),
        };
    }
}

/// The message, and behind it the fields.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string cannot fail.
        let _written = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
