//! What every adapter shares: an adapter says where its runtime keeps variables, records, letters and events
//! ([`Variables`], [`Outbox`] and the generated traits of the stores), and gets the other capabilities from here.
//!
//! Keys, peers and paging follow the native host: both take their rules from `twin-contract`.

pub mod bindings;
pub mod clock;
mod credentials;
mod digest;
mod error_topic;
mod http;
mod lifecycle;
mod log;
mod peers;
pub mod records;
mod settings;
mod url;

pub use bindings::types::{Failure, Instant};
pub use error_topic::{Event, Outbox};

use twin_contract::Cloud;

/// Where a runtime keeps configuration, under the names of the native host's variables.
#[allow(async_fn_in_trait, reason = "components have one thread")]
pub trait Variables: 'static {
    /// A variable's value; none if it is not set, or empty.
    async fn variable(name: &str) -> Option<String>;

    /// The cloud of a receiver that its URL's host (in lower case, without a port) gives away.
    async fn cloud_of_host(host: &str) -> Option<Cloud> {
        twin_contract::cloud_of_host(host)
    }

    /// Whether debug lines are logged.
    fn debug_mode() -> bool;
}

/// The twin's name, which is part of every key.
///
/// # Errors
/// If there is none: any other would be another twin's.
pub async fn twin_name<V: Variables>() -> Result<String, Failure> {
    let name = V::variable("TWIN_NAME").await;
    name.ok_or_else(|| Failure::Unavailable("TWIN_NAME is not set".to_owned()))
}

/// Exports an adapter's capabilities.
#[macro_export]
macro_rules! export_adapter {
    ($adapter:ident) => {
        $crate::bindings::export_capabilities!($adapter with_types_in $crate::bindings);
    };
}
