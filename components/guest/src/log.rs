//! Log lines with fields.

pub use crate::bindings::twin::multicloud::log::Level;

use crate::{bindings::twin::multicloud::log, scope};

/// Queues one line. The request that is being answered is a field of it, `request_id`.
pub fn emit(level: Level, message: &str, fields: &[(&str, &str)]) {
    let request_id = scope::request_id();
    let request_id = request_id.as_deref().map(|id| ("request_id", id));
    let fields: Vec<_> = fields
        .iter()
        .copied()
        .chain(request_id)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
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
