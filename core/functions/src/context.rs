//! One instance of a function: what it can reach, and what it remembers from one call to the next.

use std::sync::{OnceLock, atomic::AtomicBool};

use crate::{connector::Views, settings::Settings, windows::Windows};

/// An instance of a function, in which many calls run at once.
#[derive(Debug)]
pub struct Context<C> {
    capabilities: C,
    /// Read once: they do not change while the instance lives.
    pub(crate) settings: OnceLock<Settings>,
    /// When each system error was last published.
    pub(crate) windows: Windows,
    /// The circuits of the connector's peers.
    pub(crate) views: Views,
    /// Whether the ingestion found that no connector is bound. Who is bound does not change while an instance lives, and
    /// asking costs as much as sending.
    pub(crate) no_connector: AtomicBool,
}

impl<C> Context<C> {
    /// A new instance that can reach this.
    pub const fn new(capabilities: C) -> Self {
        Self {
            capabilities,
            settings: OnceLock::new(),
            windows: Windows::new(),
            views: Views::new(),
            no_connector: AtomicBool::new(false),
        }
    }

    /// What the instance can reach.
    pub const fn capabilities(&self) -> &C {
        &self.capabilities
    }
}
