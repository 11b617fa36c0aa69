//! The interface `settings`, answered from the configuration.

use wasmtime::component::Accessor;

use super::Imports;
use crate::{
    State,
    bindings::settings::{Failure, Host, HostWithStore},
};

impl Host for State {}

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> Result<Option<String>, Failure> {
        Ok(Self::of(accessor).settings.get(&name).await?)
    }
}
