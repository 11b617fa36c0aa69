//! The functions of a host in this process, for events that are handed to them.

use std::fmt;

use crate::{
    config::Config,
    host::{Assembled, HostError},
    ingress::events::Settle,
    runtime::Sandbox,
};

/// A host without an ingress. System errors are forwarded while it runs, as by any host.
#[must_use = "call `stop`, or it does not end in order"]
pub struct Handover(Assembled);

impl fmt::Debug for Handover {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Handover").finish_non_exhaustive()
    }
}

impl Handover {
    /// Opens the configured store, and starts the configured functions.
    ///
    /// # Errors
    /// If the store cannot be opened, or a component does not run.
    pub async fn open(config: Config) -> Result<Self, HostError> {
        let sandbox = Sandbox::for_lanes(config.lanes)?;
        Ok(Self(Assembled::open(&sandbox, config).await?))
    }

    /// Where events are handed over.
    #[must_use]
    pub fn events(&self) -> &dyn Settle {
        self.0.events.as_ref()
    }

    /// Stops within the drain timeout.
    pub async fn stop(self) {
        self.0.stop(std::future::ready(())).await;
    }
}
