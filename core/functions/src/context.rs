//! One instance of a function: its capabilities, and the state that it keeps between calls.

use std::sync::{OnceLock, atomic::AtomicBool};

use crate::{connector::Views, settings::Settings, windows::Windows};

/// An instance of a function, in which many calls run at once.
#[derive(Debug)]
pub struct Context<C> {
    capabilities: C,
    /// Read once, because they do not change during the lifetime of an instance.
    pub(crate) settings: OnceLock<Settings>,
    /// When each system error was last published.
    pub(crate) windows: Windows,
    /// The circuits of the connector's peers.
    pub(crate) views: Views,
    /// Whether ingestion found that no connector is bound. Bindings do not change during the lifetime of an instance, and
    /// each check costs as much as sending.
    pub(crate) no_connector: AtomicBool,
}

impl<C> Context<C> {
    /// Creates an instance with these capabilities.
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
