//! The interface `log`: writes to the host's log, with the component's fields in addition to the host's.

use twin_telemetry::trace;
use wasmtime::component::Access;

use super::Imports;
use crate::{
    State,
    bindings::log::{Host, HostWithStore, Level},
};

impl Host for State {}

impl<T: Send + 'static> HostWithStore<T> for Imports {
    fn emit(
        mut access: Access<'_, T, Self>,
        level: Level,
        message: String,
        fields: Vec<(String, String)>,
    ) {
        let reach = Self::reach(&mut access);
        let function = reach.function.as_str();
        // One JSON object, because the component chooses the names. `telemetry::line` parses it.
        let fields: serde_json::Map<_, _> = fields
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        let fields = serde_json::Value::Object(fields).to_string();
        trace::within_sync(reach.scope.clone(), || match level {
            Level::Debug => tracing::debug!(function, fields, "{message}"),
            Level::Info => tracing::info!(function, fields, "{message}"),
            Level::Warn => tracing::warn!(function, fields, "{message}"),
            Level::Error => tracing::error!(function, fields, "{message}"),
        });
    }
}
