//! The functions of a stage: as components in the host's runtime, or as native code.

use std::time::Duration;

use async_trait::async_trait;
use twin_capabilities::function::{CallError, FunctionName, Functions, Request, Response};
use twin_host::runtime::{Runtime, Unanswering};
use twin_native::Native;

/// `native` lets every stage run its functions as native code; without it they are components.
const STAGE: &str = "TWIN_STAGE";

/// Running functions.
pub enum Running {
    /// In the runtime.
    Components(Runtime),
    /// As native code.
    Native(Native),
}

impl Running {
    /// Whether stages run native code.
    pub(crate) fn natively() -> bool {
        match std::env::var(STAGE).as_deref() {
            Err(_) => false,
            Ok("native") => true,
            Ok(other) => panic!("{STAGE} must be native or unset, and is {other}"),
        }
    }

    /// Announces the end, as a host does when it is told to stop.
    pub fn begin_drain(&self) {
        match self {
            Self::Components(runtime) => runtime.begin_drain(),
            Self::Native(native) => native.begin_drain(),
        }
    }

    /// Accepts no more calls, and waits until those in progress have ended, for at most `limit`. Returns whether all ended.
    pub async fn stop(&self, limit: Duration) -> bool {
        match self {
            Self::Components(runtime) => runtime.stop(limit).await,
            Self::Native(native) => native.stop(limit).await,
        }
    }

    /// Checks that every function can answer. Native code always can: it has no instances to lose.
    ///
    /// # Errors
    /// The first function that cannot answer.
    pub async fn ready(&self) -> Result<(), Unanswering> {
        match self {
            Self::Components(runtime) => runtime.ready().await,
            Self::Native(_) => Ok(()),
        }
    }
}

#[async_trait]
impl Functions for Running {
    fn is_mounted(&self, function: FunctionName) -> bool {
        match self {
            Self::Components(runtime) => runtime.is_mounted(function),
            Self::Native(native) => native.is_mounted(function),
        }
    }

    async fn call(&self, function: FunctionName, request: Request) -> Result<Response, CallError> {
        match self {
            Self::Components(runtime) => runtime.call(function, request).await,
            Self::Native(native) => native.call(function, request).await,
        }
    }
}
