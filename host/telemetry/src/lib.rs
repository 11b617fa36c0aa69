//! What the host reports about itself: log lines on stderr, metrics for Prometheus, and spans ([`trace`]).
//!
//! A log call never blocks, whatever stderr is connected to: see `sink`.
//!
//! # Example
//!
//! ```
//! use twin_telemetry::{Dialect, LogFormat, LogSettings, finish, start_logs};
//!
//! start_logs(&LogSettings {
//!     debug: false,
//!     format: LogFormat::Json,
//!     dialect: Dialect::Plain,
//!     filter: None,
//! });
//! tracing::info!(twin = "factory-01", "ready");
//! finish();
//! ```

mod limiter;
mod line;
mod logger;
pub mod metrics;
mod sink;
pub mod trace;

use std::time::Duration;

use async_trait::async_trait;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// Which lines are written, and how.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// `DEBUG_MODE`: also lines of the level `debug`.
    pub debug: bool,
    /// `LOG_FORMAT`.
    pub format: LogFormat,
    /// For which log service JSON lines are.
    pub dialect: Dialect,
    /// `RUST_LOG`, which takes precedence over `debug`.
    pub filter: Option<Targets>,
}

impl LogSettings {
    /// For a command of a person: text, and only lines of this level and those above.
    #[must_use]
    pub fn for_people(level: LevelFilter) -> Self {
        Self {
            debug: false,
            format: LogFormat::Text,
            dialect: Dialect::Plain,
            filter: Some(Targets::new().with_default(level)),
        }
    }
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// The names of severity and trace in a JSON line. Each log service recognises its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `level`, `trace_id` and `span_id`: for AWS, Azure and everything else.
    #[default]
    Plain,
    /// `severity` and `logging.googleapis.com/…` as well, for Cloud Logging.
    GoogleCloud {
        /// The project that has the traces. Without it, lines are not linked to their traces.
        project: Option<String>,
    },
}

/// The metrics at `/metrics`.
#[async_trait]
pub trait Exposition: Send + Sync + 'static {
    /// All metrics in Prometheus' text format, after a bounded time: a store that does not answer must not hide the others.
    async fn render(&self) -> String;
}

/// How long a process that is ending waits for its last lines to be written.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Starts logging to stderr. Only the first call in a process has an effect, so tests and the clouds of `twin up` can each
/// call it.
pub fn start_logs(settings: &LogSettings) {
    logger::start(settings.format, &settings.dialect);
    // An error means that logging has already been started.
    let _ = tracing_subscriber::registry()
        .with(filter(settings))
        .with(logger::Lines)
        .try_init();
}

/// From now on every panic is logged and counted. The default hook writes to stderr itself and could block there.
pub fn log_panics() {
    logger::log_panics();
}

/// Writes a line to stdout in the background. A line that cannot be written is lost, and counted with the lost log lines.
pub fn print(line: &str) {
    logger::stdout().push(format!("{line}\n").into_bytes());
}

/// Like [`print()`], but to stderr.
pub fn print_error(line: &str) {
    logger::stderr().push(format!("{line}\n").into_bytes());
}

/// To be called before the process ends: writes what is still waiting, for at most half a second.
pub fn finish() {
    logger::write_rest();
    logger::flush(LAST_LINES);
}

/// `RUST_LOG` if it is set; otherwise this project's lines from `debug` or `info` up, and those of libraries from `info`
/// up.
fn filter(settings: &LogSettings) -> Targets {
    let of_libraries = Targets::new().with_default(LevelFilter::INFO);
    match (&settings.filter, settings.debug) {
        (Some(filter), _) => filter.clone(),
        (None, true) => of_libraries.with_target("twin", LevelFilter::DEBUG),
        (None, false) => of_libraries,
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn starting_twice_does_no_harm() {
        let mut settings = LogSettings {
            debug: true,
            format: LogFormat::Json,
            dialect: Dialect::Plain,
            filter: None,
        };
        start_logs(&settings);
        settings.format = LogFormat::Text;
        start_logs(&settings);
        let enabled = |settings: &LogSettings, target: &str| {
            [Level::DEBUG, Level::INFO, Level::WARN]
                .map(|level| filter(settings).would_enable(target, &level))
        };
        assert_eq!(enabled(&settings, "twin_host::peers"), [true; 3]);
        assert_eq!(enabled(&settings, "hyper"), [false, true, true]);
        settings.filter = Some("twin_host=debug,warn".parse().unwrap());
        assert_eq!(enabled(&settings, "twin_host::peers"), [true; 3]);
        assert_eq!(enabled(&settings, "hyper"), [false, false, true]);
    }
}
