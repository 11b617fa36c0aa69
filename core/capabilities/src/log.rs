//! Structured log lines. They never contain a secret, and a payload only at level `debug`.

/// The level of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For developers.
    Debug,
    /// Normal operation.
    Info,
    /// Degraded operation.
    Warn,
    /// A user should look at it.
    Error,
}

/// A log that never blocks.
pub trait Log: Send + Sync + 'static {
    /// Queues one line; values are fields.
    fn emit(&self, level: Level, message: &str, fields: &[(&str, &str)]);
}
