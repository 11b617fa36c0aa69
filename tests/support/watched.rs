//! A circuits store with delays, as in practice, so that other calls come in between. Its loads are counted.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use twin_capabilities::{
    circuits::{Circuit, SwapFailure},
    types::Failure,
};
use twin_host::providers::{Circuits, Stores};

/// Wraps a circuits store. Clones share their state.
#[derive(Clone, Default)]
pub struct Watch {
    loads: Arc<AtomicUsize>,
    delay: Duration,
}

struct Watched {
    inner: Arc<dyn Circuits>,
    watch: Watch,
}

impl Watch {
    /// Wraps a store that takes this long for each call.
    pub fn slow(ms: u64) -> Self {
        Self {
            delay: Duration::from_millis(ms),
            ..Self::default()
        }
    }

    /// The stores with this wrapper around their circuits.
    pub fn before(&self, stores: Stores) -> Stores {
        let circuits = Arc::new(Watched {
            inner: stores.circuits.clone(),
            watch: self.clone(),
        });
        Stores { circuits, ..stores }
    }

    /// The number of loads.
    pub fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    async fn wait(&self) {
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
    }
}

#[async_trait]
impl Circuits for Watched {
    async fn load(&self, name: String) -> Result<Circuit, Failure> {
        self.watch.loads.fetch_add(1, Ordering::SeqCst);
        self.watch.wait().await;
        self.inner.load(name).await
    }

    async fn compare_and_swap(
        &self,
        name: String,
        expected_version: u64,
        state: String,
    ) -> Result<Circuit, SwapFailure> {
        self.watch.wait().await;
        let swap = self.inner.compare_and_swap(name, expected_version, state);
        swap.await
    }
}
