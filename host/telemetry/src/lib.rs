//! What the host tells about itself: log lines on stderr, and numbers for Prometheus.
//!
//! No log call blocks, no matter what stderr is connected to: see `sink`.
//!
//! # Example
//!
//! ```
//! use twin_telemetry::{LogFormat, LogSettings, finish, start_logs};
//!
//! start_logs(&LogSettings {
//!     debug: false,
//!     format: LogFormat::Json,
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

use std::time::Duration;

use async_trait::async_trait;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// Which lines are written, and how.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// `DEBUG_MODE`.
    pub debug: bool,
    /// `LOG_FORMAT`.
    pub format: LogFormat,
    /// `RUST_LOG`: wins over `debug`.
    pub filter: Option<String>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// The numbers at `/metrics`.
#[async_trait]
pub trait Exposition: Send + Sync + 'static {
    /// All of them in Prometheus' text format, after a bounded time: a store that does not answer must not hide the others.
    async fn render(&self) -> String;
}

/// How long a process that ends waits for its last lines to be written.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Starts logging to stderr. Once a process: later calls change nothing, so that tests and the clouds of `twin up` may
/// each make their own.
pub fn start_logs(settings: &LogSettings) {
    logger::start(settings.format);
    // An error says that logging has started already.
    let _ = tracing_subscriber::registry()
        .with(filter(settings))
        .with(logger::Lines)
        .try_init();
}

/// From now on a panic is a log line and counted. The default hook writes to stderr itself, and could block there.
pub fn log_panics() {
    logger::log_panics();
}

/// Writes a line to stdout in the background: one that cannot be written is lost, and counted among the log lines.
pub fn print(line: &str) {
    logger::stdout().push(format!("{line}\n").into_bytes());
}

/// As [`print()`], to stderr.
pub fn print_error(line: &str) {
    logger::stderr().push(format!("{line}\n").into_bytes());
}

/// Before the process ends: writes what is still to be written, as far as that is possible in a moment.
pub fn finish() {
    logger::write_rest();
    logger::flush(LAST_LINES);
}

/// `RUST_LOG` as it is, else our own lines from `debug` or `info` up; libraries speak from `info` up.
fn filter(settings: &LogSettings) -> EnvFilter {
    match (&settings.filter, settings.debug) {
        (Some(filter), _) => EnvFilter::new(filter),
        (None, true) => EnvFilter::new("info,twin=debug"),
        (None, false) => EnvFilter::new("info"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starting_twice_does_no_harm() {
        let mut settings = LogSettings {
            debug: true,
            format: LogFormat::Json,
            filter: None,
        };
        start_logs(&settings);
        settings.format = LogFormat::Text;
        start_logs(&settings);
        assert_eq!(
            filter(&settings).max_level_hint(),
            Some(tracing::metadata::LevelFilter::DEBUG)
        );
        settings.filter = Some("warn".into());
        assert_eq!(
            filter(&settings).max_level_hint(),
            Some(tracing::metadata::LevelFilter::WARN)
        );
    }
}
