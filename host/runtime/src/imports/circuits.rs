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
        Ok(Self::of(accessor).stores.circuits.load(name).await?.into())
    }

    async fn compare_and_swap(
        accessor: &Accessor<T, Self>,
        name: String,
        expected_version: u64,
        state: String,
    ) -> Result<Circuit, SwapFailure> {
        let circuits = &Self::of(accessor).stores.circuits;
        let swapped = circuits.compare_and_swap(name, expected_version, state);
        Ok(swapped.await?.into())
    }
}
