//! The provider `memory`: a twin's stores within the process, for tests, benchmarks and embedding.
//!
//! It has no threads and no timers, and its calls never wait, so a test can run it in virtual time and make it fail.
//!
//! ```
//! use twin_capabilities::{provider::system_clock, records::{Entry, Outcome}};
//! use twin_memory::Memory;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let stores = Memory::new(system_clock()).stores();
//! let entry = Entry {
//!     device_id: "sensor-1".to_owned(),
//!     time: 1_767_225_600_000_000,
//!     id: "reading-1".to_owned(),
//!     message_type: "telemetry".to_owned(),
//!     digest: "the SHA-256 of the payload".to_owned(),
//!     body: b"{}".to_vec(),
//! };
//! let first = stores.records.put("messages".to_owned(), vec![entry.clone()]).await;
//! assert!(matches!(first[..], [Ok(Outcome::Stored(_))]));
//! let again = stores.records.put("messages".to_owned(), vec![entry]).await;
//! assert!(matches!(again[..], [Ok(Outcome::Duplicate(_))]));
//! # }
//! ```
//!
//! # Tested with the behaviour suite
//!
//! The following tests this provider with the suite in `twin_capabilities::testing`, and is a template for others:
//!
//! ```
//! use std::{collections::HashMap, sync::Mutex};
//! use twin_capabilities::{
//!     Stores,
//!     testing::{Fixture, ManualClock, Skipped, hold, records},
//! };
//! use twin_memory::Memory;
//!
//! /// An empty place. Opening the same twin in it twice opens the same stores.
//! #[derive(Default)]
//! struct InMemory {
//!     clock: ManualClock,
//!     twins: Mutex<HashMap<String, Memory>>,
//! }
//!
//! impl Fixture for InMemory {
//!     async fn set_up() -> Result<Self, Skipped> {
//!         Ok(Self::default())
//!     }
//!
//!     async fn open_twin(&self, twin: &str) -> Stores {
//!         let mut twins = self.twins.lock().unwrap();
//!         let memory = twins
//!             .entry(twin.to_owned())
//!             .or_insert_with(|| Memory::new(self.clock.as_clock()));
//!         memory.stores()
//!     }
//!
//!     fn clock(&self) -> &ManualClock {
//!         &self.clock
//!     }
//! }
//!
//! // In a test file: a module for each group, and in it a test for each behaviour.
//! twin_capabilities::provider_tests!(InMemory);
//!
//! // The same for one behaviour, without a test runner.
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let held = hold::<InMemory>(records::a_repetition_is_a_duplicate_since_the_first).await;
//! assert_eq!(held, Ok(()));
//! # }
//! ```

mod circuits;
mod dead_letters;
mod error_topic;
mod health;
mod records;
mod statistics;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use twin_capabilities::{Stores, provider::Clock, types::Failure};

/// One twin's stores in memory. Clones share them.
#[derive(Clone)]
pub struct Memory(Arc<Store>);

impl fmt::Debug for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Memory").finish_non_exhaustive()
    }
}

/// What [`Memory::fail`] can make fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Putting and querying records.
    Records,
    /// Everything that concerns dead letters.
    DeadLetters,
    /// Publishing system errors, and the outbox.
    ErrorTopic,
    /// Loading and swapping circuits.
    Circuits,
    /// The health check.
    Health,
}

/// The files named after the capabilities implement the traits for this type.
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
        Stores::of(&self.0)
    }

    /// If `fails` is true, every call of a capability fails as unavailable from now on and changes nothing; otherwise it
    /// works again.
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

/// The data of one capability, and whether its calls fail.
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
