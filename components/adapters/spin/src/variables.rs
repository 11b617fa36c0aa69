//! Configuration from Spin's variables: from the manifest, the environment or a vault, as `spin up` was told.

use std::cell::Cell;

use spin_sdk::variables;
use twin_adapter::Variables;
use twin_contract::{Cloud, cloud_of_host};

use crate::Adapter;

thread_local! {
    /// Whether debug lines are logged; not known before the first variable was read.
    static DEBUG: Cell<Option<bool>> = const { Cell::new(None) };
}

impl Variables for Adapter {
    async fn variable(name: &str) -> Option<String> {
        if DEBUG.get().is_none() {
            let mode = read("debug_mode").await;
            DEBUG.set(Some(matches!(mode.as_deref(), Some("true" | "1"))));
        }
        read(&name.to_ascii_lowercase()).await
    }

    async fn cloud_of_host(host: &str) -> Option<Cloud> {
        // A function of the same app lives in the same cloud.
        if host.ends_with(".spin.internal") {
            let own = read("twin_cloud").await;
            return own.and_then(|name| name.parse().ok());
        }
        cloud_of_host(host)
    }

    fn debug_mode() -> bool {
        DEBUG.get().unwrap_or(false)
    }
}

/// None also if the provider of the variable fails: what is needed then says so itself.
async fn read(name: &str) -> Option<String> {
    let value = variables::get(name).await.ok();
    value.filter(|value| !value.is_empty())
}
