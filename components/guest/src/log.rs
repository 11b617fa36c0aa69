//! Log lines with fields.

pub use crate::bindings::twin::multicloud::log::Level;

use crate::bindings::twin::multicloud::log;

/// Queues one line.
pub fn emit(level: Level, message: &str, fields: &[(&str, &str)]) {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    log::emit(level, message, &fields);
}

/// Something a user should look at.
pub fn error(message: &str, fields: &[(&str, &str)]) {
    emit(Level::Error, message, fields);
}

/// Something that is degraded.
pub fn warn(message: &str, fields: &[(&str, &str)]) {
    emit(Level::Warn, message, fields);
}
