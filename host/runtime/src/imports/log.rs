//! The interface `log`: writes to the host's log, with the component's fields in addition to the host's.

use crate::{
    State,
    bindings::log::{Host, Level},
};

impl Host for State {
    fn emit(&mut self, level: Level, message: String, fields: Vec<(String, String)>) {
        let capabilities = self.capabilities();
        let function = capabilities.function.as_str();
        // One JSON object, because the component chooses the names. `telemetry::line` parses it.
        let fields: serde_json::Map<_, _> = fields
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        let fields = serde_json::Value::Object(fields).to_string();
        match level {
            Level::Debug => tracing::debug!(function, fields, "{message}"),
            Level::Info => tracing::info!(function, fields, "{message}"),
            Level::Warn => tracing::warn!(function, fields, "{message}"),
            Level::Error => tracing::error!(function, fields, "{message}"),
        }
    }
}
