//! A circuits store that counts what is asked of it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use twin_host::{
    bindings::{
        circuits::{Circuit, SwapFailure},
        types::Failure,
    },
    providers::{Circuits, Stores},
};

/// Counts the loads of a circuits store.
#[derive(Clone, Default)]
pub struct Loads(Arc<AtomicUsize>);

struct Watched {
    inner: Arc<dyn Circuits>,
    loads: Loads,
}

impl Loads {
    /// Stores whose circuits are counted here.
    pub fn watch(&self, stores: Stores) -> Stores {
        let circuits = Arc::new(Watched {
            inner: stores.circuits.clone(),
            loads: self.clone(),
        });
        Stores { circuits, ..stores }
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Circuits for Watched {
    async fn load(&self, name: String) -> Result<Circuit, Failure> {
        self.loads.0.fetch_add(1, Ordering::SeqCst);
        self.inner.load(name).await
    }

    async fn compare_and_swap(
        &self,
        name: String,
        expected_version: u64,
        state: String,
    ) -> Result<Circuit, SwapFailure> {
        self.inner
            .compare_and_swap(name, expected_version, state)
            .await
    }
}
