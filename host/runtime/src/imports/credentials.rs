//! The interface `credentials`, answered by the verifier. A component uses it only for a request whose verdict is
//! `unchecked`, and this host sends no such request.

use wasmtime::component::Accessor;

use super::Imports;
use crate::{
    State,
    bindings::credentials::{Caller, Denied, Host, HostWithStore, Presented},
};

impl Host for State {}

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn verify(accessor: &Accessor<T, Self>, presented: Presented) -> Result<Caller, Denied> {
        let presented = presented.into();
        Ok(Self::of(accessor).verifier.verify(presented).await?.into())
    }
}
