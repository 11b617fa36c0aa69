//! The interface `circuits`, answered by the provider.

use wasmtime::component::Accessor;

use super::Imports;
use crate::{
    State,
    bindings::circuits::{Circuit, Failure, Host, HostWithStore, SwapFailure},
};

impl Host for State {}

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn load(accessor: &Accessor<T, Self>, name: String) -> Result<Circuit, Failure> {
        let reach = Self::of(accessor);
        let load = reach.stores.circuits.load(name);
        Ok(reach.traced(load).await?.into())
    }

    async fn compare_and_swap(
        accessor: &Accessor<T, Self>,
        name: String,
        expected_version: u64,
        state: String,
    ) -> Result<Circuit, SwapFailure> {
        let reach = Self::of(accessor);
        let circuits = &reach.stores.circuits;
        let swapped = circuits.compare_and_swap(name, expected_version, state);
        Ok(reach.traced(swapped).await?.into())
    }
}
