//! The provider `memory`: the same stores within the process, for tests and benchmarks.
//!
//! No threads, no timers, nothing to wait for: a test may drive it with virtual time, and tell it to fail.

mod circuits;
mod dead_letters;
mod error_topic;
mod health;
mod records;
mod statistics;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use twin_capabilities::{Stores, provider::Clock, types::Failure};

/// One twin's stores in memory. Clones share them.
#[derive(Clone)]
pub struct Memory(Arc<Store>);

/// What can be told to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Putting and querying records.
    Records,
    /// All that is done with dead letters.
    DeadLetters,
    /// Publishing and forwarding system errors.
    ErrorTopic,
    /// Loading and swapping values.
    Circuits,
    /// The check of the store's health.
    Health,
}

/// The files named after the capabilities implement their traits on this.
struct Store {
    clock: Clock,
    records: Shelf<records::Collections>,
    dead_letters: Shelf<dead_letters::Letters>,
    error_topic: Shelf<error_topic::Events>,
    circuits: Shelf<circuits::Values>,
    health: Shelf<()>,
}

impl Memory {
    /// Empty stores that take the time from `clock`.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Store {
            clock,
            records: Shelf::default(),
            dead_letters: Shelf::default(),
            error_topic: Shelf::default(),
            circuits: Shelf::default(),
            health: Shelf::default(),
        }))
    }

    /// The stores.
    pub fn stores(&self) -> Stores {
        Stores {
            records: self.0.clone(),
            dead_letters: self.0.clone(),
            error_topic: self.0.clone(),
            outbox: Some(self.0.clone()),
            circuits: self.0.clone(),
            health: self.0.clone(),
            statistics: self.0.clone(),
        }
    }

    /// From now on, lets every call of a capability fail as unavailable and change nothing; or lets it work again.
    pub fn fail(&self, capability: Capability, fails: bool) {
        let switch = match capability {
            Capability::Records => &self.0.records.fails,
            Capability::DeadLetters => &self.0.dead_letters.fails,
            Capability::ErrorTopic => &self.0.error_topic.fails,
            Capability::Circuits => &self.0.circuits.fails,
            Capability::Health => &self.0.health.fails,
        };
        switch.store(fails, Ordering::SeqCst);
    }
}

/// What one capability keeps, and whether it fails.
#[derive(Default)]
struct Shelf<T> {
    kept: Mutex<T>,
    fails: AtomicBool,
}

impl<T> Shelf<T> {
    fn open(&self) -> Result<MutexGuard<'_, T>, Failure> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(Failure::Unavailable("told to fail".to_owned()));
        }
        Ok(self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
