//! Functions of the same app, which some runtimes call without using the network.

use wasip3::http::types::Method;

use crate::{
    bindings::peers::Failure,
    http::{self, Outgoing},
    url::Target,
};

/// A check that a runtime needs before a peer is called.
#[allow(async_fn_in_trait, reason = "components have one thread")]
pub trait Neighbours: 'static {
    /// False if nothing runs at this host (in lower case, without a port) and a call would make the runtime stop the whole
    /// instance with all its calls. `path` is the path of the peer's URL.
    async fn is_there(_host: &str, _path: &str) -> bool {
        true
    }
}

/// The status with which a URL answers `OPTIONS` without a credential: every function of this project answers 405.
///
/// # Errors
/// Why there is no reply.
pub async fn probe(url: &str) -> Result<u16, Failure> {
    let target = Target::parse(url);
    let target = target.ok_or_else(|| Failure::Other("no URL to probe".to_owned()))?;
    let reply = http::exchange(Outgoing {
        method: Method::Options,
        target,
        headers: Vec::new(),
        body: Vec::new(),
    });
    Ok(reply.await?.status)
}

/// Refuses to call a peer that is not running.
pub(crate) async fn check<T: Neighbours>(target: &Target) -> Result<(), Failure> {
    if T::is_there(&target.host(), target.path()).await {
        return Ok(());
    }
    let words = format!("this app has no function at {}", target.authority);
    Err(Failure::Unreachable(words))
}
