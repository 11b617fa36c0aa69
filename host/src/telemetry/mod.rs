//! What the host tells about itself: log lines on stderr, and numbers for Prometheus.

pub mod metrics;

use std::io;

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSettings};

/// Starts logging to stderr. Once a process: later calls change nothing, so that tests and the clouds of `twin up` may
/// each make their own.
pub fn start_logs(settings: &LogSettings) {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter(settings))
        .with_writer(io::stderr);
    // An error says that logging has started already.
    let _ = match settings.format {
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .try_init(),
        LogFormat::Text => lines.try_init(),
    };
}

/// `RUST_LOG` as it is, else our own lines from `debug` or `info` up; libraries speak from `info` up.
fn filter(settings: &LogSettings) -> EnvFilter {
    match (&settings.filter, settings.debug) {
        (Some(filter), _) => EnvFilter::new(filter),
        (None, true) => EnvFilter::new("info,twin=debug,twin_host=debug"),
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
