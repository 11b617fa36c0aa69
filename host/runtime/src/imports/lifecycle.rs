//! `lifecycle`: from the host's own order to stop.

use wasmtime::component::Accessor;

use super::Imports;
use crate::{
    State,
    bindings::lifecycle::{Host, HostWithStore},
};

impl Host for State {}

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn draining(accessor: &Accessor<T, Self>) {
        let mut draining = Self::of(accessor).draining.clone();
        // A runtime that is gone is as good as one that stops.
        let _ = draining.wait_for(|draining| *draining).await;
    }
}
