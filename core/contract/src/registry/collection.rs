//! The names of the collections. Each collection has one function that writes it and one that reads it.

/// Envelopes, as the writer stored them.
pub const MESSAGES: &str = "messages";
/// System errors, as the error reporter stored them.
pub const SYSTEM_ERRORS: &str = "system-errors";
