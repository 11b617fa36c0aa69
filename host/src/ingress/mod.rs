//! How requests come in: each ingress turns its platform's form of a request into a function's, and back.

mod body;
mod connections;
pub mod http;
mod link;
mod query_key;
pub(crate) mod refusal;
mod request_id;
mod response;
mod routes;
mod service;
mod socket;
#[cfg(test)]
mod tests;
mod unpack;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use twin_contract::Cloud;
pub use twin_telemetry::Exposition;

use crate::{config::Config, credentials::Credentials, resources, telemetry::metrics};

/// Whether the host can do its work.
#[async_trait]
pub trait Readiness: Send + Sync + 'static {
    /// Components are loaded and the store can be written. Peers do not count: their outage is not ours.
    ///
    /// # Errors
    /// What is missing, in words for the one who asked.
    async fn ready(&self) -> Result<(), String>;
}

/// What an ingress goes by.
pub struct IngressSettings {
    /// The own cloud, for metrics.
    pub cloud: Cloud,
    /// Empty, or with a slash in front and none at its end.
    pub route_prefix: String,
    /// Who may read `/metrics`, and whose bodies are worth reading.
    pub credentials: Credentials,
    /// Asked for `/readyz`.
    pub readiness: Arc<dyn Readiness>,
    /// Shown at `/metrics`.
    pub metrics: Arc<dyn Exposition>,
    /// What a function is told of the time it has.
    pub function_deadline: Duration,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long calls may take to finish when the host is told to stop.
    pub drain_timeout: Duration,
    /// How long a reply may wait for its client to read.
    pub write_timeout: Duration,
    /// Connections open at once.
    pub max_connections: usize,
    /// Memory for the bodies of all requests that are being answered, in bytes; as much is for replies that are not read yet.
    pub body_memory: u32,
}

impl IngressSettings {
    /// As configured.
    pub fn new(config: &Config, readiness: Arc<dyn Readiness>) -> Self {
        Self {
            cloud: config.cloud,
            route_prefix: config.listen.route_prefix.clone(),
            credentials: Credentials::of(config),
            readiness,
            metrics: Arc::new(metrics::Process::recorded()),
            function_deadline: config.delivery.function_deadline,
            body_timeout: config.listen.body_timeout,
            drain_timeout: config.listen.drain_timeout,
            write_timeout: config.listen.write_timeout,
            max_connections: config
                .listen
                .max_connections
                .unwrap_or_else(resources::connections),
            body_memory: config
                .listen
                .body_memory
                .unwrap_or_else(resources::body_memory),
        }
    }
}
