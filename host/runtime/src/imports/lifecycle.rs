//! The interface `lifecycle`: tells a component when the host is stopping.

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
        // If the runtime no longer exists, it has stopped.
        let _ = draining.wait_for(|draining| *draining).await;
    }
}
