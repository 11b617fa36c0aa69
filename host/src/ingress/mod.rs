//! How requests come in: each ingress converts its platform's requests for [`crate::dispatch`], and converts the responses
//! back.

pub mod azure_functions;
mod body;
mod connections;
mod endpoints;
pub mod events;
pub mod http;
#[cfg(feature = "aws")]
pub mod lambda;
mod link;
pub mod platform;
mod service;
mod socket;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::platform::Platform;
use crate::{config::Config, resources};

/// How the HTTP server uses time, connections and memory.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long calls may take to finish when the host is told to stop.
    pub drain_timeout: Duration,
    /// How long a reply may wait for its client to read.
    pub write_timeout: Duration,
    /// Connections open at once.
    pub max_connections: usize,
    /// Memory for the bodies of all requests that are being answered, in bytes. Replies that are not yet read have the same
    /// amount.
    pub body_memory: u32,
    /// The platform that runs this process, if it is one with paths of its own.
    pub platform: Option<Platform>,
}

impl HttpSettings {
    /// Takes the settings from the configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let listen = &config.listen;
        Self {
            body_timeout: listen.body_timeout,
            drain_timeout: listen.drain_timeout,
            write_timeout: listen.write_timeout,
            max_connections: listen
                .max_connections
                .unwrap_or_else(resources::connections),
            body_memory: listen.body_memory.unwrap_or_else(resources::body_memory),
            platform: listen.platform,
        }
    }
}
