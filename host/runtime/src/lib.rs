//! The runtime: runs the function components as long-lived instances, many calls at once in each.
//!
//! A [`Runtime`] has one lane per core by default, and in each lane a worker of each mounted function: a store with one
//! instance, which takes calls from its own queue. The imports of a component are answered by [`crate::imports`].
//!
//! # Example
//!
//! Two functions, with what each can reach. The components are those that `cargo xtask build` makes.
//!
//! ```
//! use twin_capabilities::function::FunctionName;
//! use twin_runtime::{Runtime, RuntimeError, RuntimeSettings, Sandbox, Time, imports::Capabilities};
//!
//! async fn start(reach: impl Fn(FunctionName) -> Capabilities) -> Result<Runtime, RuntimeError> {
//!     let sandbox = Sandbox::new()?;
//!     let settings = RuntimeSettings::new("target/components".into());
//!     let functions = [FunctionName::Ingestion, FunctionName::Writer];
//!     Runtime::start(&sandbox, &settings, &functions, Time::Real, reach).await
//! }
//! ```

pub mod bindings;
#[cfg(feature = "compile")]
mod cache;
mod clock;
mod code;
mod door;
mod engine;
mod error;
mod image;
pub mod imports;
mod lane;
mod pool;
pub mod precompiled;
mod pulse;
pub(crate) mod state;
mod worker;
pub mod worlds;

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc, thread, time::Duration};

use async_trait::async_trait;
use futures_util::future;
use tokio::sync::watch;

#[cfg(feature = "compile")]
pub use cache::Cache;
pub use clock::Time;
pub use engine::Sandbox;
pub use error::{RuntimeError, Unanswering};
pub use image::{Image, read_component};
pub(crate) use state::State;

use imports::Capabilities;
use lane::Lane;
use pool::Pool;
use twin_capabilities::function::{CallError, FunctionName, Functions, Request, Response};

/// The form of the components in their folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// `connector.wasm`, `ingestion.wasm`, …, which run anywhere and are compiled when they are loaded.
    #[cfg(feature = "compile")]
    Portable,
    /// Machine code that `twin compile` made of them: see [`precompiled`].
    Precompiled,
}

#[allow(
    clippy::derivable_impls,
    reason = "the default depends on the feature `compile`"
)]
impl Default for Form {
    /// What this build runs: portable components if it has a compiler. It does not then load machine code from the components'
    /// folder, so that who can write there still reaches only the sandbox.
    fn default() -> Self {
        #[cfg(feature = "compile")]
        {
            Self::Portable
        }
        #[cfg(not(feature = "compile"))]
        {
            Self::Precompiled
        }
    }
}

/// How a runtime runs the components.
#[derive(Clone, Debug)]
pub struct RuntimeSettings {
    /// The folder with the components.
    pub components: PathBuf,
    /// Their form.
    pub form: Form,
    /// The folder for what is compiled at the start; with `None`, components are compiled at every start. Precompiled components do
    /// not need it.
    pub cache: Option<PathBuf>,
    /// Lanes, and so instances of each function and calls that can compute at the same time. A lane is a task, so the async
    /// runtime needs as many worker threads.
    pub lanes: usize,
    /// Calls of one function at once, over all instances; further calls are refused as retryable.
    pub concurrent_calls: usize,
    /// After this many calls an instance is replaced, which frees memory that it may have leaked.
    pub calls_per_instance: u64,
    /// How long a call may take by the wall clock. The component gets less time and answers within it; this limit is for
    /// one that does not.
    pub deadline: Duration,
    /// How long a component may compute without calling the host before it counts as stuck.
    pub longest_computation: Duration,
}

impl RuntimeSettings {
    /// The default settings, for components in a folder.
    pub fn new(components: PathBuf) -> Self {
        Self {
            components,
            form: Form::default(),
            cache: None,
            lanes: default_lanes(),
            concurrent_calls: 10_240,
            calls_per_instance: 1_000_000,
            deadline: Duration::from_secs(25),
            longest_computation: Duration::from_secs(2),
        }
    }
}

/// The maximum number of lanes. The engine reserves address space for the memories of all their instances. For this many
/// lanes it is a fifth of what a process on a 64-bit machine has.
pub const MOST_LANES: usize = 256;

/// One lane per core that this process can use, according to the machine and the control group.
pub fn default_lanes() -> usize {
    thread::available_parallelism().map_or(1, |cores| cores.get().min(MOST_LANES))
}

/// The functions of one cloud of one twin, running.
pub struct Runtime {
    pools: BTreeMap<FunctionName, Pool>,
    draining: watch::Sender<bool>,
}

impl fmt::Debug for Runtime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions: Vec<_> = self.pools.keys().collect();
        formatter
            .debug_struct("Runtime")
            .field("functions", &functions)
            .finish_non_exhaustive()
    }
}

impl Runtime {
    /// Loads the components and starts their instances. `capabilities` returns what each function can reach.
    ///
    /// # Errors
    /// If a component is missing, broken, or imports more than its world allows.
    pub async fn start(
        sandbox: &Sandbox,
        settings: &RuntimeSettings,
        functions: &[FunctionName],
        time: Time,
        capabilities: impl Fn(FunctionName) -> Capabilities,
    ) -> Result<Self, RuntimeError> {
        let (draining, drained) = watch::channel(false);
        let lanes: Vec<_> = (0..settings.lanes.max(1)).map(Lane::open).collect();
        let mut pools = BTreeMap::new();
        for &function in functions {
            let image = Image::load(sandbox, settings, function)?;
            let capabilities = capabilities(function);
            let capabilities = Arc::new(Capabilities {
                draining: drained.clone(),
                ..capabilities
            });
            let pool =
                Pool::start(sandbox, settings, &lanes, image, time.clone(), capabilities).await?;
            pools.insert(function, pool);
        }
        Ok(Self { pools, draining })
    }

    /// The lower-case hex SHA-256 of a mounted function's component.
    pub fn digest(&self, function: FunctionName) -> Option<&str> {
        self.pools.get(&function).map(Pool::digest)
    }

    /// Checks that every mounted function can answer: each is called, unless it has just answered.
    ///
    /// # Errors
    /// The first function that cannot answer, and why.
    pub async fn ready(&self) -> Result<(), Unanswering> {
        future::try_join_all(self.pools.values().map(Pool::ready))
            .await
            .map(drop)
    }

    /// The number of calls of each function that no instance has accepted yet.
    pub fn waiting(&self) -> impl Iterator<Item = (FunctionName, usize)> {
        self.pools
            .iter()
            .map(|(function, pool)| (*function, pool.waiting()))
    }

    /// Tells the components that the host is about to stop: deliveries that are waiting to retry become dead letters now.
    /// Calls are still accepted.
    pub fn begin_drain(&self) {
        self.draining.send_replace(true);
    }

    /// Accepts no more calls, and waits until those in progress have ended, for at most `limit`. Returns whether all ended.
    #[must_use = "false if calls have not ended"]
    pub async fn stop(&self, limit: Duration) -> bool {
        self.begin_drain();
        for pool in self.pools.values() {
            pool.close();
        }
        let all = async {
            for pool in self.pools.values() {
                pool.ended().await;
            }
        };
        tokio::time::timeout(limit, all).await.is_ok()
    }
}

#[async_trait]
impl Functions for Runtime {
    fn is_mounted(&self, function: FunctionName) -> bool {
        self.pools.contains_key(&function)
    }

    async fn call(&self, function: FunctionName, request: Request) -> Result<Response, CallError> {
        match self.pools.get(&function) {
            Some(pool) => pool.call(request).await,
            None => Err(CallError::NotMounted(function)),
        }
    }
}
