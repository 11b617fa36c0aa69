//! `log`: one line of JSON on stderr, which every runtime collects.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::Serialize;
use twin_contract::Timestamp;

use crate::{
    Variables,
    bindings::log::{Guest, Level},
    clock,
};

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'a str,
    message: &'a str,
    fields: BTreeMap<&'a str, &'a str>,
}

/// Logs that something is degraded.
pub fn warn<T: Variables>(message: &str, fields: &[(&str, &str)]) {
    let fields = fields.iter();
    let fields = fields.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    T::emit(Level::Warn, message.to_owned(), fields.collect());
}

impl<T: Variables> Guest for T {
    fn emit(level: Level, message: String, fields: Vec<(String, String)>) {
        if matches!(level, Level::Debug) && !T::debug_mode() {
            return;
        }
        let line = Line {
            timestamp: Timestamp::from_micros(clock::now()).to_string(),
            level: match level {
                Level::Debug => "DEBUG",
                Level::Info => "INFO",
                Level::Warn => "WARN",
                Level::Error => "ERROR",
            },
            message: &message,
            fields: fields
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
        };
        // Strings always serialize, and a failure to write the log cannot be reported anywhere.
        if let Ok(mut line) = serde_json::to_vec(&line) {
            line.push(b'\n');
            let _ = io::stderr().write_all(&line);
        }
    }
}
