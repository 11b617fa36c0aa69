//! `peers`: to whatever the name is bound to for the calling function.

use std::time::Duration;

use wasmtime::component::Accessor;

use super::Imports;
use crate::{
    bindings::peers::{Failure, Host, HostWithStore, Reply, Request},
    runtime::State,
};

impl Host for State {}

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn send(
        accessor: &Accessor<T, Self>,
        peer: String,
        request: Request,
        timeout_ms: u32,
    ) -> Result<Reply, Failure> {
        let capabilities = Self::of(accessor);
        let timeout = Duration::from_millis(timeout_ms.into());
        capabilities
            .peers
            .send(capabilities.function, peer, request, timeout)
            .await
    }
}
