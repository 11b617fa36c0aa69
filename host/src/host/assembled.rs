//! What every host consists of beside its ingress.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use twin_capabilities::{Settings, Verifier};

use super::HostError;
use crate::{
    config::{Config, ConfigError},
    credentials,
    dispatch::{Dispatch, DispatchSettings, Readiness},
    function::Functions,
    imports::Capabilities,
    ingress::events::Events,
    observed::Observed,
    outbox::Forwarder,
    peers::{Caller, PeerSender},
    providers::{Health, Stores},
    runtime::{Runtime, RuntimeSettings, Sandbox, Time},
    secrets::{Services, Vault},
    stores::{Misconfigured, Patience},
    telemetry::{metrics, trace::Tracer},
    traces,
};

/// A host without an ingress.
pub(crate) struct Assembled {
    pub(crate) config: Arc<Config>,
    pub(crate) dispatch: Arc<Dispatch>,
    pub(crate) events: Arc<Events>,
    pub(super) runtime: Arc<Runtime>,
    peers: Arc<PeerSender>,
    pub(crate) tracer: Option<Arc<Tracer>>,
    stop: watch::Sender<bool>,
    forwarder: JoinHandle<()>,
}

impl Assembled {
    /// Opens the configured store, and puts everything together.
    ///
    /// # Errors
    /// If the store cannot be opened, or a component does not run.
    pub(crate) async fn open(sandbox: &Sandbox, config: Config) -> Result<Self, HostError> {
        let kind = config.storage.kind;
        let opened = kind.open(&config).await?;
        tokio::spawn(opened.retention);
        let patience = patience(&config).of_database(kind.database());
        Self::assemble(sandbox, config, opened.stores, patience).await
    }

    /// The same over stores that are already open.
    ///
    /// # Errors
    /// If a component does not run.
    pub(crate) async fn over(
        sandbox: &Sandbox,
        config: Config,
        stores: Stores,
    ) -> Result<Self, HostError> {
        let patience = patience(&config);
        Self::assemble(sandbox, config, stores, patience).await
    }

    async fn assemble(
        sandbox: &Sandbox,
        config: Config,
        mut stores: Stores,
        patience: Patience,
    ) -> Result<Self, HostError> {
        // Must be installed before anything is measured.
        metrics::recorder();
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
        let tracer = traces::tracer(&config)?;
        let reach = Reach {
            config: &config,
            verifier: &verifier,
            stores: &stores,
            patience,
            peers: &peers,
        };
        let runtime = start_runtime(sandbox, &reach).await?;
        let functions: Arc<dyn Functions> = runtime.clone();
        peers.mount(Arc::downgrade(&functions));

        let (stop, stopped) = watch::channel(false);
        let timely = reach.patience.with(stores.clone(), None);
        let readiness = Arc::new(Answering {
            runtime: Arc::clone(&runtime),
            store: stores.health,
        });
        let mut settings = DispatchSettings::new(&config, verifier, readiness);
        let runs = Arc::clone(&runtime);
        settings.metrics = Arc::new(Observed::new(config.cloud, runs, stores.statistics));
        settings.tracer.clone_from(&tracer);
        let dispatch = Arc::new(Dispatch::new(functions, settings, stopped.clone()));
        let events = Arc::new(Events::new(&config, Arc::clone(&dispatch), &timely));
        let forwarding = async move {
            if let Some(forwarder) = forwarder {
                forwarder.run(stopped).await;
            }
        };
        Ok(Self {
            config,
            dispatch,
            events,
            runtime,
            peers,
            tracer,
            stop,
            forwarder: tokio::spawn(forwarding),
        })
    }

    /// Becomes true when the host stops.
    pub(crate) fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Stops within the drain timeout, as [`Host::stop`](super::Host::stop) says; `ingress` is done when no request is left.
    pub(crate) async fn stop(self, ingress: impl Future<Output = ()>) {
        let limit = self.config.listen.drain_timeout;
        let end = Instant::now() + limit;
        self.peers.finish_by(end - limit / 4);
        self.runtime.begin_drain();
        self.stop.send_replace(true);
        ingress.await;
        let _ = timeout_at(end, self.forwarder).await;
        let left = end.saturating_duration_since(Instant::now());
        if !self.runtime.stop(left.max(LAST_TURN)).await {
            tracing::warn!("stopped before all instances had finished");
        }
        if let Some(tracer) = &self.tracer {
            traces::flush(tracer).await;
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

/// How long functions wait for the stores.
fn patience(config: &Config) -> Patience {
    Patience::new(config.delivery.function_deadline)
}

/// What functions can reach.
struct Reach<'a> {
    config: &'a Arc<Config>,
    verifier: &'a Arc<dyn Verifier>,
    stores: &'a Stores,
    patience: Patience,
    peers: &'a Arc<PeerSender>,
}

async fn start_runtime(sandbox: &Sandbox, reach: &Reach<'_>) -> Result<Arc<Runtime>, HostError> {
    let (config, stores) = (reach.config, reach.stores);
    let settings = RuntimeSettings {
        cache: Some(config.code.cache_dir.clone()),
        lanes: config.lanes,
        concurrent_calls: config.concurrent_calls,
        deadline: config.delivery.function_deadline,
        ..RuntimeSettings::new(config.code.components_dir.clone())
    };
    let capabilities = |function| Capabilities {
        function,
        settings: Arc::clone(config) as Arc<dyn Settings>,
        verifier: Arc::clone(reach.verifier),
        peers: reach.peers.of(function),
        stores: reach.patience.with(
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
