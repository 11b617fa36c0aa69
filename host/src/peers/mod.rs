//! The outgoing side: sends a component's requests to peers, over HTTP with the credential that the receiving cloud expects
//! (spec §2), or to a function in this process, for which the host vouches.

mod auth;
mod client;
mod coding;
mod connections;
mod failure;
pub(crate) mod identity;
mod local;
mod policy;
#[cfg(test)]
mod tests;
mod token;
mod traced;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, OnceLock, Weak},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::{sync::watch, time};

pub use self::client::command_client;
use self::{
    auth::KeyAuth,
    client::Client,
    identity::MakesAuth,
    token::{Issuer, TokenAuth, Tokens},
    traced::Traced,
};
pub(crate) use self::{
    client::{client_for, read_at_most},
    failure::words,
};
use crate::{
    config::{Authentication, Binding, Config, ConfigError, Peer},
    credentials::HeaderForm,
    function::{FunctionName, Functions, call},
    secrets::PrivateUrl,
    telemetry::{metrics, trace},
};
use twin_capabilities::{
    IdentityTokens, PeerAuth, Peers, Secrets,
    peers::{Outgoing, Reply, Request, SendFailure},
    secrets::{Configured, Verbatim},
};

/// The sender of a request. What a peer's name is bound to depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A function; it is never its own peer.
    Function(FunctionName),
    /// The host itself.
    Host,
}

impl From<FunctionName> for Caller {
    fn from(function: FunctionName) -> Self {
        Self::Function(function)
    }
}

/// Sends requests to peers, as configured.
pub struct PeerSender {
    config: Arc<Config>,
    client: Client,
    /// For peers whose credential is more than a key.
    auths: BTreeMap<Peer, MakesAuth>,
    secrets: Arc<dyn Secrets>,
    functions: OnceLock<Weak<dyn Functions>>,
    /// Until when remote peers are waited for; set when the host stops.
    ends: watch::Sender<Option<time::Instant>>,
}

impl fmt::Debug for PeerSender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PeerSender")
            .field("peers", &self.config.peers)
            .finish_non_exhaustive()
    }
}

impl PeerSender {
    /// A sender to remote peers. It reaches functions in this process after [`Self::mount`].
    ///
    /// # Errors
    /// The variable with which TLS, the proxy or the host's identity cannot be set up.
    pub fn new(config: Arc<Config>) -> Result<Self, ConfigError> {
        let client = Client::new(&config.peers)?;
        let sender = Self {
            config: Arc::clone(&config),
            client,
            auths: BTreeMap::new(),
            secrets: Arc::new(Verbatim),
            functions: OnceLock::new(),
            ends: watch::Sender::new(None),
        };
        sender.with_identities(&config)
    }

    /// Sets up the peers to which the host authenticates without a key.
    fn with_identities(mut self, config: &Config) -> Result<Self, ConfigError> {
        for (peer, remote) in &config.peers.remotes {
            let names = peer.variables();
            match (remote.auth, &remote.url, &remote.audience) {
                (Authentication::SigV4, Some(url), _) => {
                    self.auths.insert(*peer, identity::signer(names, url)?);
                }
                (Authentication::Oidc, _, Some(audience)) => {
                    let tokens = identity::tokens(names, config.cloud, audience)?;
                    self = self.with_tokens(*peer, tokens);
                }
                // The configuration was checked: other peers are local, or have keys.
                _ => {}
            }
        }
        Ok(self)
    }

    /// Looks up keys here, by the reference in the configuration. Without this, the configuration contains the keys.
    #[must_use]
    pub fn with_secrets(mut self, secrets: Arc<dyn Secrets>) -> Self {
        self.secrets = secrets;
        self
    }

    /// Authenticates the host to a remote peer with what `auth` makes for each request, instead of a configured key.
    #[must_use]
    pub fn with_auth(
        mut self,
        peer: Peer,
        auth: impl Fn() -> Arc<dyn PeerAuth> + Send + Sync + 'static,
    ) -> Self {
        self.auths.insert(peer, Box::new(auth));
        self
    }

    /// Authenticates the host to a remote peer with these tokens instead of a configured key. They are fetched when the first
    /// request is sent, shared by all requests, and renewed before they expire and when the peer refuses one.
    #[must_use]
    pub fn with_tokens(self, peer: Peer, tokens: Arc<dyn IdentityTokens>) -> Self {
        let tokens = Tokens::new(Issuer(tokens));
        self.with_auth(peer, move || Arc::new(TokenAuth::new(tokens.clone())))
    }

    /// Waits for remote peers only until `end`: the host is stopping, and messages that have not been delivered by then
    /// must become dead letters. Calls to functions in this process are not cut off, because those functions keep messages
    /// as dead letters, too.
    pub fn finish_by(&self, end: time::Instant) {
        self.ends.send_replace(Some(end));
    }

    /// Resolves when the time for remote peers is over.
    async fn cut_off(&self) {
        let mut ends = self.ends.subscribe();
        // The sender lives as long as `self`, so this does not fail.
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

    /// Connects the sender with the functions in this process, which need the sender to be created. It does not keep them
    /// alive. Only the first call has an effect.
    pub fn mount(&self, functions: Weak<dyn Functions>) {
        let _ = self.functions.set(functions);
    }

    /// The peers as seen by `caller`.
    pub fn of(self: &Arc<Self>, caller: impl Into<Caller>) -> Arc<dyn Peers> {
        Arc::new(PeersOf {
            sender: Arc::clone(self),
            caller: caller.into(),
        })
    }

    /// How the host authenticates to a remote peer; `None` if the URL contains the key.
    fn auth(
        &self,
        peer: Peer,
        form: HeaderForm,
        key: Option<&Configured>,
    ) -> Option<Arc<dyn PeerAuth>> {
        if let Some(auth) = self.auths.get(&peer) {
            return Some(auth());
        }
        let secrets = Arc::clone(&self.secrets);
        Some(Arc::new(KeyAuth::new(form, key?.clone(), secrets)))
    }

    /// Sends once and waits for the whole reply.
    async fn send(&self, caller: Caller, message: Outgoing) -> Result<Reply, SendFailure> {
        let Outgoing {
            peer,
            request,
            timeout,
        } = message;
        let started = Instant::now();
        let binding = self.config.binding(caller, peer);
        let traced = Traced::begin(peer, binding.as_ref(), &request);
        let attempt = self.attempt(caller, binding, peer, request, timeout);
        let attempt = trace::within(traced.scope.clone(), attempt);
        let outcome = time::timeout(timeout, attempt)
            .await
            .unwrap_or(Err(SendFailure::TimedOut));
        traced.end(&outcome);
        metrics::send(self.config.cloud, peer, &outcome, started.elapsed());
        outcome
    }

    /// Sends to a URL; once more if the peer refused a credential that has been replaced since. A key can so be rotated
    /// without a failed delivery.
    async fn send_to(
        &self,
        url: &PrivateUrl,
        auth: Option<&dyn PeerAuth>,
        request: Request,
    ) -> Result<Reply, SendFailure> {
        let again = auth
            .filter(|auth| auth.is_renewable())
            .map(|auth| (auth, request.clone()));
        let reply = self.client.send(url, auth, request).await?;
        match again {
            Some((renewing, request))
                if matches!(reply.status, 401 | 403) && renewing.refused().await =>
            {
                self.client.send(url, auth, request).await
            }
            _ => Ok(reply),
        }
    }

    async fn attempt(
        &self,
        caller: Caller,
        binding: Option<Binding<'_>>,
        peer: Peer,
        request: Request,
        timeout: Duration,
    ) -> Result<Reply, SendFailure> {
        let binding = binding.ok_or(SendFailure::UnknownPeer)?;
        policy::check(&request)?;
        match binding {
            Binding::Remote { url, form, key } => {
                let auth = self.auth(peer, form, key);
                tokio::select! {
                    outcome = self.send_to(url, auth.as_deref(), request) => outcome,
                    () = self.cut_off() => Err(SendFailure::TimedOut),
                }
            }
            Binding::Local(function) => {
                let functions = self.functions.get().and_then(Weak::upgrade);
                let functions = functions.ok_or_else(|| {
                    SendFailure::Unreachable(format!("{function} is not running"))
                })?;
                let limit = timeout.min(self.config.delivery.function_deadline);
                let request = local::request(caller, function, request, limit);
                Ok(local::reply(call(&*functions, function, request).await))
            }
        }
    }
}

/// The peers of one caller.
struct PeersOf {
    sender: Arc<PeerSender>,
    caller: Caller,
}

#[async_trait]
impl Peers for PeersOf {
    async fn send(&self, messages: Vec<Outgoing>) -> Vec<Result<Reply, SendFailure>> {
        let attempts = messages
            .into_iter()
            .map(|message| self.sender.send(self.caller, message));
        join_all(attempts).await
    }
}
