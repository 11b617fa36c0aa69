//! What all adapters share. An adapter implements its runtime's storage of variables, records, letters and events
//! ([`Variables`], [`Outbox`] and the generated traits of the stores), and gets the other capabilities from here.
//!
//! Keys, peers and paging follow the native host: both take their rules from `twin-contract`.

pub mod bindings;
pub mod clock;
mod credentials;
mod digest;
mod error_topic;
mod http;
pub mod kept;
mod lifecycle;
pub mod log;
pub mod neighbours;
mod peers;
pub mod records;
mod settings;
mod url;

pub use bindings::types::{Failure, Instant};
pub use error_topic::{Event, Outbox};
pub use neighbours::Neighbours;

use twin_contract::Cloud;

/// A variable that the runtime failed to look up, so it is not known whether it is set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} cannot be read: {cause}")]
pub struct Unreadable {
    /// Its name, as in the native host.
    pub variable: String,
    /// The runtime's error text, for a log.
    pub cause: String,
}

/// Where a runtime keeps configuration, under the names of the native host's variables.
#[allow(async_fn_in_trait, reason = "components have one thread")]
pub trait Variables: 'static {
    /// A variable's value; `None` if it is unset or empty.
    ///
    /// # Errors
    /// If the runtime cannot look it up. This is never the same as `None`: a fallback for an unset variable (another key,
    /// another header, the function's own store) must not replace a variable that is set.
    async fn variable(name: &str) -> Result<Option<String>, Unreadable>;

    /// The cloud of a receiver, if the host of its URL (in lower case, without a port) shows it.
    ///
    /// # Errors
    /// If the variable that determines it cannot be read.
    async fn cloud_of_host(host: &str) -> Result<Option<Cloud>, Unreadable> {
        Ok(twin_contract::cloud_of_host(host))
    }

    /// Whether debug lines are logged.
    fn debug_mode() -> bool;
}

/// The twin's name, which is part of every key.
///
/// # Errors
/// If it is unset or cannot be read: any other name would belong to another twin.
pub async fn twin_name<V: Variables>() -> Result<String, Failure> {
    let name = V::variable("TWIN_NAME").await?;
    name.ok_or_else(|| Failure::Unavailable("TWIN_NAME is not set".to_owned()))
}

impl From<Unreadable> for Failure {
    fn from(unreadable: Unreadable) -> Self {
        Self::Unavailable(unreadable.to_string())
    }
}

/// Exports an adapter's capabilities.
#[macro_export]
macro_rules! export_adapter {
    ($adapter:ident) => {
        $crate::bindings::export_capabilities!($adapter with_types_in $crate::bindings);
    };
}
