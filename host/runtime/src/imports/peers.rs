//! The interface `peers`: sends to what the name is bound to for the calling function.

use wasmtime::component::Accessor;

use super::{Imports, convert};
use crate::{
    State,
    bindings::peers::{Failure, Host, HostWithStore, Reply, Request},
};

impl Host for State {}

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn send(
        accessor: &Accessor<T, Self>,
        peer: String,
        request: Request,
        timeout_ms: u32,
    ) -> Result<Reply, Failure> {
        let message = convert::outgoing(&peer, request, timeout_ms)?;
        let reach = Self::of(accessor);
        let mut replies = reach.traced(reach.peers.send(vec![message])).await;
        let reply = replies
            .pop()
            .ok_or_else(|| Failure::Other("the sender returned no outcome".to_owned()))?;
        Ok(reply?.into())
    }
}
