//! The outgoing side: sends what a component has for a peer, over HTTP or to a function in this process, with the
//! credential that the receiving cloud expects (spec §2).

mod client;
mod coding;
mod connections;
mod failure;
mod local;
mod policy;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, OnceLock, Weak},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::{sync::watch, time};

use self::client::Client;
pub use self::client::command_client;
use crate::{
    bindings::peers::{Failure, Reply, Request},
    config::{Binding, Config, ConfigError, Peer},
    function::{FunctionName, Functions},
    telemetry::metrics,
};

/// Something that can send to the twin's peers: [`PeerSender`]; in tests, a script.
#[async_trait]
pub trait Peers: Send + Sync + 'static {
    /// Sends once and waits for the whole reply, for at most `timeout`. What the peer is to `caller`, the configuration
    /// says.
    ///
    /// # Errors
    /// Why there is no reply. It does not say whether the request has arrived.
    async fn send(
        &self,
        caller: FunctionName,
        peer: String,
        request: Request,
        timeout: Duration,
    ) -> Result<Reply, Failure>;
}

/// Sends as the configuration says.
pub struct PeerSender {
    config: Arc<Config>,
    client: Client,
    functions: OnceLock<Weak<dyn Functions>>,
    /// When remote peers are waited for no longer: set while the host stops.
    ends: watch::Sender<Option<time::Instant>>,
}

impl PeerSender {
    /// A sender that reaches remote peers; those in this process from [`Self::mount`] on.
    ///
    /// # Errors
    /// The variable that TLS or the proxy cannot be set up with.
    pub fn new(config: Arc<Config>) -> Result<Self, ConfigError> {
        let client = Client::new(&config.peers)?;
        Ok(Self {
            config,
            client,
            functions: OnceLock::new(),
            ends: watch::Sender::new(None),
        })
    }

    /// Waits for remote peers until `end` and no longer: the host stops, and what has not arrived by then is to be brought to
    /// safety. Functions in this process are waited for as before, since they bring messages to safety, too.
    pub fn finish_by(&self, end: time::Instant) {
        self.ends.send_replace(Some(end));
    }

    /// Resolves when remote peers are to be waited for no longer.
    async fn cut_off(&self) {
        let mut ends = self.ends.subscribe();
        // The sender lives as long as this.
        let end = ends
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|end| *end);
        match end {
            Some(end) => time::sleep_until(end).await,
            None => std::future::pending().await,
        }
    }

    /// Tells it of the functions in this process, which themselves need it in order to exist. It does not keep them
    /// alive. Only the first call counts.
    pub fn mount(&self, functions: Weak<dyn Functions>) {
        let _ = self.functions.set(functions);
    }

    async fn attempt(
        &self,
        caller: FunctionName,
        peer: Peer,
        request: Request,
        timeout: Duration,
    ) -> Result<Reply, Failure> {
        let binding = self
            .config
            .binding(caller, peer)
            .ok_or(Failure::UnknownPeer)?;
        policy::check(&request)?;
        match binding {
            Binding::Remote { url, form, key } => {
                let key = key.map(|key| (form, key));
                tokio::select! {
                    outcome = self.client.send(url, key, request) => outcome,
                    () = self.cut_off() => Err(Failure::TimedOut),
                }
            }
            Binding::Local(function) => {
                let functions = self.functions.get().and_then(Weak::upgrade);
                let functions = functions
                    .ok_or_else(|| Failure::Unreachable(format!("{function} is not running")))?;
                let limit = timeout.min(self.config.delivery.function_deadline);
                let request = local::request(&self.config, function, request, limit)?;
                Ok(local::reply(functions.call(function, request).await))
            }
        }
    }
}

#[async_trait]
impl Peers for PeerSender {
    async fn send(
        &self,
        caller: FunctionName,
        peer: String,
        request: Request,
        timeout: Duration,
    ) -> Result<Reply, Failure> {
        let peer: Peer = peer.parse().map_err(|_| Failure::UnknownPeer)?;
        let started = Instant::now();
        let outcome = time::timeout(timeout, self.attempt(caller, peer, request, timeout))
            .await
            .unwrap_or(Err(Failure::TimedOut));
        metrics::send(self.config.cloud, peer, &outcome, started.elapsed());
        outcome
    }
}
