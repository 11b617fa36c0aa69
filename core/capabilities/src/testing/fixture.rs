//! What the author of a provider supplies: an empty place for a twin's data, with a clock that the test controls.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use crate::{Instant, Stores, provider::Clock};

/// The twin whose stores [`Fixture::open`] opens.
const TWIN: &str = "factory-01";

/// An empty place for the data of one test: a folder, a database, a table of a service.
///
/// Every test creates its own, so tests may run at the same time. When it is dropped, everything that it created outside
/// the process must be removed.
pub trait Fixture: Sized + Send + Sync + 'static {
    /// Creates an empty place.
    ///
    /// # Errors
    /// [`Skipped`] if this machine lacks what the provider needs, for example a database server. The test then prints the
    /// reason and passes. Any other failure should panic.
    fn set_up() -> impl Future<Output = Result<Self, Skipped>> + Send;

    /// Opens the stores of a twin as another process would. A test opens the same place several times, and uses the opened
    /// stores at the same time. Everything that has been acknowledged through one must be visible to the others.
    ///
    /// The stores must take the time from [`Self::clock`], for time stamps and for leases.
    ///
    /// # Panics
    /// If the stores cannot be opened.
    fn open_twin(&self, twin: &str) -> impl Future<Output = Stores> + Send;

    /// The clock of all stores in this place.
    fn clock(&self) -> &ManualClock;

    /// Whether the stores have an outbox. Override it for a provider whose error topic delivers by itself: then the
    /// behaviours of [`error_topic`](super::error_topic) are skipped, and
    /// [`Numbers::outbox`](crate::health::Numbers::outbox) must be `None`.
    fn has_outbox(&self) -> bool {
        true
    }

    /// The largest body of a record, and the largest envelope of a letter, that the stores accept, in bytes. Override it for a
    /// provider whose service limits them; 256 KiB, the largest message of the contract, must always be accepted. What is larger
    /// must fail as [`TooLarge`](crate::Failure::TooLarge).
    fn largest_body(&self) -> usize {
        usize::MAX
    }

    /// Opens the stores of the twin that most behaviours use.
    fn open(&self) -> impl Future<Output = Stores> + Send {
        self.open_twin(TWIN)
    }

    /// The time of the clock.
    fn now(&self) -> Instant {
        self.clock().now()
    }

    /// Moves the clock by this many microseconds; back, if the number is negative.
    fn turn(&self, micros: i64) {
        self.clock().turn(micros);
    }
}

/// Why a test did not run, for example "PostgreSQL is not installed".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Skipped(pub String);

/// A clock that stands still until a test moves it. Clones show the same time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_767_225_600_000_000)))
    }

    /// The time that it shows.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.0.load(Ordering::SeqCst)
    }

    /// Moves it by this many microseconds; back, if the number is negative.
    pub fn turn(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }

    /// The same clock in the form in which providers take one.
    #[must_use]
    pub fn as_clock(&self) -> Clock {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}
