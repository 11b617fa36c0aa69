//! `settings`: from the configuration.

use wasmtime::component::Accessor;

use super::Imports;
use crate::{
    bindings::settings::{Host, HostWithStore},
    runtime::State,
};

impl Host for State {}

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> Option<String> {
        (Self::of(accessor).settings)(&name)
    }
}
