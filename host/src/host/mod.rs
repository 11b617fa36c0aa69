//! One cloud's functions of one twin, put together: configuration, stores, peers, runtime and ingress.

mod assembled;

use std::{fmt, net::SocketAddr};

use tokio::{net::TcpListener, task::JoinHandle};

pub(crate) use self::assembled::Assembled;
use crate::{
    config::{Config, ConfigError},
    function::FunctionName,
    ingress::{HttpSettings, http},
    providers::Stores,
    runtime::{RuntimeError, Sandbox},
    stores::StoreError,
};

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
    /// Lambda's runtime API.
    #[cfg(feature = "aws")]
    #[error("the runtime API of Lambda, at AWS_LAMBDA_RUNTIME_API, cannot be used")]
    RuntimeApi(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The address.
    #[error("cannot listen on {address} (TWIN_BIND and PORT set it)")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
}

/// A running host that is reached over HTTP.
#[must_use = "a host ends in order only if it is told to `stop`"]
pub struct Host {
    inside: Assembled,
    address: SocketAddr,
    ingress: JoinHandle<()>,
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = self.config();
        formatter
            .debug_struct("Host")
            .field("twin", &config.twin)
            .field("functions", &config.functions)
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
        Self::serve(Assembled::open(sandbox, config).await?, listener)
    }

    /// Starts everything on stores that are already open, such as a benchmark's stores in memory or a provider's.
    ///
    /// # Errors
    /// If a component does not run.
    pub async fn start_with(
        sandbox: &Sandbox,
        config: Config,
        stores: Stores,
        listener: TcpListener,
    ) -> Result<Self, HostError> {
        Self::serve(Assembled::over(sandbox, config, stores).await?, listener)
    }

    fn serve(inside: Assembled, listener: TcpListener) -> Result<Self, HostError> {
        let config = &inside.config;
        let address = listener.local_addr().map_err(|source| HostError::Listen {
            address: config.socket(),
            source,
        })?;
        tracing::info!(
            twin = config.twin,
            cloud = config.cloud.as_str(),
            functions = ?config.functions,
            %address,
            "ready"
        );
        let ingress = http::serve(
            listener,
            inside.dispatch.clone(),
            Some(inside.events.clone()),
            HttpSettings::new(config),
            inside.stopped(),
        );
        Ok(Self {
            ingress: tokio::spawn(ingress),
            inside,
            address,
        })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.inside.config
    }

    /// The lower-case hex SHA-256 of a mounted function's component.
    pub fn digest(&self, function: FunctionName) -> Option<&str> {
        self.inside.runtime.digest(function)
    }

    /// Stops within the drain timeout: accepts no more requests and turns waiting deliveries into dead letters. Attempts in
    /// progress get three quarters of the time; the rest is for the letters of attempts that are not answered by then.
    pub async fn stop(self) {
        let ingress = self.ingress;
        self.inside
            .stop(async {
                // A task that panicked has stopped too.
                let _ = ingress.await;
            })
            .await;
    }
}
