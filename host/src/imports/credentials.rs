//! `credentials`: compared here, so that a component never holds the keys that are accepted.

use wasmtime::component::Accessor;

use super::Imports;
use crate::{
    bindings::credentials::{Caller, Denied, Host, HostWithStore, Presented},
    runtime::State,
};

impl Host for State {}

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn verify(accessor: &Accessor<T, Self>, presented: Presented) -> Result<Caller, Denied> {
        Self::of(accessor).credentials.verify(&presented.headers)
    }
}
