//! `log`: into the host's own log, where the component is one more field.

use crate::{
    bindings::log::{Host, Level},
    runtime::State,
};

impl Host for State {
    fn emit(&mut self, level: Level, message: String, fields: Vec<(String, String)>) {
        let capabilities = self.capabilities();
        let function = capabilities.function.as_str();
        // Values are fields: a map of them, since their names are the component's.
        let fields = tracing::field::debug(
            fields
                .into_iter()
                .collect::<std::collections::BTreeMap<_, _>>(),
        );
        match level {
            Level::Debug => tracing::debug!(function, fields, "{message}"),
            Level::Info => tracing::info!(function, fields, "{message}"),
            Level::Warn => tracing::warn!(function, fields, "{message}"),
            Level::Error => tracing::error!(function, fields, "{message}"),
        }
    }
}
