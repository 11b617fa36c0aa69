//! One cloud's functions of one twin, put together: configuration, stores, peers, runtime and ingress.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

use crate::{
    config::{Config, ConfigError},
    credentials,
    dispatch::{Dispatch, DispatchSettings, Readiness},
    function::{FunctionName, Functions},
    imports::Capabilities,
    ingress::{HttpSettings, http},
    observed::Observed,
    outbox::Forwarder,
    peers::{Caller, PeerSender},
    providers::{Health, Stores},
    runtime::{Runtime, RuntimeError, RuntimeSettings, Sandbox, Time},
    secrets::{Services, Vault},
    stores::{Misconfigured, Patience, StoreError},
    telemetry::metrics,
};
use twin_capabilities::{Settings, Verifier};

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A component or the engine.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address.
    #[error("cannot listen on {address} (TWIN_BIND and PORT set it)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
}

/// A running host.
#[must_use = "a host ends in order only if it is told to `stop`"]
pub struct Host {
    config: Arc<Config>,
    runtime: Arc<Runtime>,
    peers: Arc<PeerSender>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    ingress: JoinHandle<()>,
    forwarder: JoinHandle<()>,
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Host")
            .field("twin", &self.config.twin)
            .field("functions", &self.config.functions)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Host {
    /// Binds the configured address.
    ///
    /// # Errors
    /// If the address is in use, or does not belong to this machine.
    pub async fn listen(address: SocketAddr) -> Result<TcpListener, HostError> {
        TcpListener::bind(address)
            .await
            .map_err(|source| HostError::Listen { address, source })
    }

    /// Starts everything. Requests are answered from the time this returns.
    ///
    /// # Errors
    /// If the store cannot be opened, or a component does not run.
    pub async fn start(
        sandbox: &Sandbox,
        config: Config,
        listener: TcpListener,
    ) -> Result<Self, HostError> {
        let opened = config.storage.kind.open(&config).await?;
        tokio::spawn(opened.retention);
        Self::start_with(sandbox, config, opened.stores, listener).await
    }

    /// Starts everything on stores that are already open, such as a benchmark's stores in memory or a provider's.
    ///
    /// # Errors
    /// If a component does not run.
    pub async fn start_with(
        sandbox: &Sandbox,
        config: Config,
        mut stores: Stores,
        listener: TcpListener,
    ) -> Result<Self, HostError> {
        // Must be installed before anything is measured.
        metrics::recorder();
        let address = listener.local_addr().map_err(|source| HostError::Listen {
            address: config.socket(),
            source,
        })?;
        let config = Arc::new(config);
        let vault = Arc::new(Vault::new(Arc::new(Services::default()), config.secret_ttl));
        secrets_of_peers(&config, &vault).await?;
        let sender = PeerSender::new(Arc::clone(&config))?.with_secrets(vault.clone());
        let peers = Arc::new(sender);
        let forwarder = stores
            .outbox
            .clone()
            .map(|outbox| Forwarder::new(outbox, peers.of(Caller::Host)));
        if let Some(forwarder) = &forwarder {
            stores.error_topic = forwarder.announced(stores.error_topic);
        }
        let verifier = credentials::verifier(&config, vault).await?;
        let runtime = start_runtime(sandbox, &config, &verifier, &stores, &peers).await?;
        let functions: Arc<dyn Functions> = runtime.clone();
        peers.mount(Arc::downgrade(&functions));

        let (stop, stopped) = watch::channel(false);
        let readiness = Arc::new(Answering {
            runtime: Arc::clone(&runtime),
            store: stores.health,
        });
        let mut settings = DispatchSettings::new(&config, verifier, readiness);
        let runs = Arc::clone(&runtime);
        settings.metrics = Arc::new(Observed::new(config.cloud, runs, stores.statistics));
        let dispatch = Arc::new(Dispatch::new(functions, settings, stopped.clone()));
        let http = HttpSettings::new(&config);
        let ingress = http::serve(listener, dispatch, http, stopped.clone());
        let forwarding = async move {
            if let Some(forwarder) = forwarder {
                forwarder.run(stopped).await;
            }
        };
        tracing::info!(
            twin = config.twin,
            cloud = config.cloud.as_str(),
            functions = ?config.functions,
            %address,
            "ready"
        );
        Ok(Self {
            config,
            runtime,
            peers,
            address,
            stop,
            ingress: tokio::spawn(ingress),
            forwarder: tokio::spawn(forwarding),
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The lower-case hex SHA-256 of a mounted function's component.
    pub fn digest(&self, function: FunctionName) -> Option<&str> {
        self.runtime.digest(function)
    }

    /// Stops within the drain timeout: accepts no more requests and turns waiting deliveries into dead letters. Attempts in
    /// progress get three quarters of the time; the rest is for the letters of attempts that are not answered by then.
    pub async fn stop(self) {
        let limit = self.config.listen.drain_timeout;
        let end = Instant::now() + limit;
        self.peers.finish_by(end - limit / 4);
        self.runtime.begin_drain();
        self.stop.send_replace(true);
        // A task that panicked has stopped too.
        let _ = self.ingress.await;
        let _ = timeout_at(end, self.forwarder).await;
        let left = end.saturating_duration_since(Instant::now());
        if !self.runtime.stop(left.max(LAST_TURN)).await {
            tracing::warn!("stopped before all instances had finished");
        }
        tracing::info!(cloud = self.config.cloud.as_str(), "stopped");
    }
}

/// Looks up the secrets that are presented to peers: what is missing is found at the start, and not at the first message.
async fn secrets_of_peers(config: &Config, vault: &Vault) -> Result<(), ConfigError> {
    let common = config.peers.token.iter();
    let common = common.map(|token| ("REMOTE_AUTH_TOKEN", token));
    let remotes = config.peers.remotes.iter().filter_map(|(peer, remote)| {
        let token = remote.token.as_ref()?;
        Some((peer.variables().token, token))
    });
    for (variable, token) in common.chain(remotes) {
        let keys = vault.keys(token).await;
        keys.map_err(|error| ConfigError::of_secret(variable, error))?;
    }
    Ok(())
}

/// Instances without calls need a moment to end.
const LAST_TURN: Duration = Duration::from_millis(50);

async fn start_runtime(
    sandbox: &Sandbox,
    config: &Arc<Config>,
    verifier: &Arc<dyn Verifier>,
    stores: &Stores,
    peers: &Arc<PeerSender>,
) -> Result<Arc<Runtime>, HostError> {
    let settings = RuntimeSettings {
        cache: Some(config.code.cache_dir.clone()),
        lanes: config.lanes,
        concurrent_calls: config.concurrent_calls,
        deadline: config.delivery.function_deadline,
        ..RuntimeSettings::new(config.code.components_dir.clone())
    };
    let patience = Patience::new(settings.deadline);
    let capabilities = |function| Capabilities {
        function,
        settings: Arc::clone(config) as Arc<dyn Settings>,
        verifier: Arc::clone(verifier),
        peers: peers.of(function),
        stores: patience.with(
            stores.clone(),
            Misconfigured::of(config, function, Arc::clone(&stores.error_topic)),
        ),
        // The runtime replaces this with its own receiver.
        draining: watch::channel(false).1,
    };
    let functions = &config.functions;
    let runtime = Runtime::start(sandbox, &settings, functions, Time::Real, capabilities).await?;
    Ok(Arc::new(runtime))
}

/// A host is ready if its functions can answer and its store can be written.
struct Answering {
    runtime: Arc<Runtime>,
    store: Arc<dyn Health>,
}

#[async_trait]
impl Readiness for Answering {
    async fn ready(&self) -> Result<(), String> {
        let (functions, store) = tokio::join!(self.runtime.ready(), self.store.check());
        functions.map_err(|why| why.to_string())?;
        store.map_err(|failure| format!("the store cannot be used: {}", failure.into_cause()))
    }
}
