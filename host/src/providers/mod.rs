//! The providers: where the twin's data lives. `imports` hands each call of a component to one of these traits.
//!
//! One trait per capability, in the words of the WIT, whose documentation is binding here. One folder per place:
//! [`local`] keeps the data in a folder on disk, [`memory`] in the process, for tests and benchmarks. A provider is
//! opened for one twin, and the twin's name is part of every key. `tests/providers` holds all of them to one behaviour.
//!
//! Every method is whole once it was polled: dropping its future does not undo it, nor leave it half done.

pub mod local;
pub mod memory;

mod clock;
mod paging;
mod receipt;
mod timely;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::bindings::{
    circuits::{Circuit, SwapFailure},
    dead_letter_replay::{self, Lease, Place, PreviewPage, StoredLetter, Taken},
    dead_letters::Letter,
    error_topic::SystemError,
    records::{self, Entry, Outcome, Selection},
    types::Failure,
};

pub use clock::{Clock, system_clock};

/// One twin's stores, as a provider opened them. Clones share them.
#[derive(Clone)]
pub struct Stores {
    /// What was received.
    pub records: Arc<dyn Records>,
    /// What could not be delivered.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// What went wrong, and was not reported yet.
    pub error_topic: Arc<dyn ErrorTopic>,
    /// The circuit breakers' shared state.
    pub circuits: Arc<dyn Circuits>,
    /// Whether all this works.
    pub health: Arc<dyn Health>,
    /// How much there is of it.
    pub statistics: Arc<dyn Statistics>,
}

/// Collections of records in order of (device, time, id): `records` in the WIT.
#[async_trait]
pub trait Records: Send + Sync + 'static {
    /// Stores entries, all or none, durable before it returns; one outcome for each, in order. A record that is damaged is
    /// replaced by the same one.
    async fn put(&self, collection: String, entries: Vec<Entry>) -> Result<Vec<Outcome>, Failure>;

    /// At most `limit` records (taken as 1 to 1000), and at most 1 MiB of bodies but at least one record.
    async fn query(
        &self,
        collection: String,
        selection: Selection,
    ) -> Result<records::Page, Failure>;
}

/// Undeliverable messages, kept and taken out again: `dead-letters` and `dead-letter-replay` in the WIT.
///
/// A lease ends by the store's clock. Its receipt stays good until the letter is taken anew, so that a delivery that
/// outlasted its lease still settles its letter if nobody else has begun to deliver it.
#[async_trait]
pub trait DeadLetters: Send + Sync + 'static {
    /// Stores a letter durably. A letter that is stored already is left as it is; one that is damaged is replaced.
    async fn push(&self, letter: Letter) -> Result<(), Failure>;

    /// At most `limit` letters and 1 MiB of envelopes, but at least one letter; in the order they were pushed. Any place
    /// is valid, also one that no letter has (any more).
    async fn list(
        &self,
        after: Option<Place>,
        limit: u32,
    ) -> Result<dead_letter_replay::Page, Failure>;

    /// One letter; none if there is no such letter (any more).
    async fn get(&self, letter_id: String) -> Result<Option<StoredLetter>, Failure>;

    /// What `take` would lease, in its order, behind a place of the queue; at most `limit` letters. Changes nothing.
    async fn preview(
        &self,
        selection: dead_letter_replay::Selection,
        after: Option<Place>,
        limit: u32,
    ) -> Result<PreviewPage, Failure>;

    /// Leases letters that nobody holds for `lease_ms` milliseconds, and puts them at the end of the queue. At most
    /// `limit` of them and 1 MiB of envelopes, but at least one, if one is free. Only letters of the round, which has
    /// each letter once that was in the queue when it began; without `round`, or with one beyond the end of the queue, a new
    /// one begins.
    async fn take(
        &self,
        selection: dead_letter_replay::Selection,
        round: Option<u64>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Taken, Failure>;

    /// Leases a letter that is not as it was stored, so that it can be discarded; with what is left of it. `None` if there is
    /// no such letter, or it is whole or held.
    async fn take_damaged(
        &self,
        letter_id: String,
        lease_ms: u32,
    ) -> Result<Option<Lease>, Failure>;

    /// Removes a letter that was delivered or discarded; false if the receipt is not (any longer) the letter's.
    async fn settle(&self, letter_id: String, receipt: String) -> Result<bool, Failure>;

    /// Gives a letter back before its lease ends, to its old `turn` if one is given (never to a later one than it has);
    /// false as for `settle`.
    async fn release(
        &self,
        letter_id: String,
        receipt: String,
        turn: Option<u64>,
    ) -> Result<bool, Failure>;
}

/// A system error in the outbox, on its way to the error reporter.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// A UUIDv7, given when the error was published: the error reporter stores the error by it.
    pub id: String,
    /// What went wrong.
    pub error: SystemError,
    /// How often the event was handed out, this time included.
    pub attempts: u32,
}

/// The longest that publishing a system error may take.
const PUBLISH_LIMIT: Duration = Duration::from_millis(500);

/// The system error topic: the components' `error-topic` in the WIT, and the outbox that the host forwards from.
#[async_trait]
pub trait ErrorTopic: Send + Sync + 'static {
    /// Puts an error into the outbox, durably, or fails within 500 ms.
    async fn publish(&self, error: SystemError) -> Result<(), Failure>;

    /// Leases at most `limit` events that nobody holds, in the order they were published.
    async fn pending(&self, limit: u32, lease: Duration) -> Result<Vec<Event>, Failure>;

    /// Removes an event that was delivered. It does not matter who else holds it: it was delivered.
    async fn settle(&self, event_id: String) -> Result<(), Failure>;

    /// Gives an event back before its lease ends.
    async fn release(&self, event_id: String) -> Result<(), Failure>;
}

/// Named values with compare-and-swap: `circuits` in the WIT.
#[async_trait]
pub trait Circuits: Send + Sync + 'static {
    /// Reads a value; a name never stored reads as version 0.
    async fn load(&self, name: String) -> Result<Circuit, Failure>;

    /// Stores `state` under the next version, if `expected_version` is still the current one.
    async fn compare_and_swap(
        &self,
        name: String,
        expected_version: u64,
        state: String,
    ) -> Result<Circuit, SwapFailure>;
}

/// Whether the twin's data would be stored now: half of `/readyz`.
#[async_trait]
pub trait Health: Send + Sync + 'static {
    /// Writes, in earnest: a store that can only be read is not healthy.
    async fn check(&self) -> Result<(), Failure>;
}

/// The most letters or events that are counted: beyond that, counting is no longer cheap.
const COUNTED: u32 = 1_000_000;

/// Numbers of the twin's data, for `/metrics`. A number that a store cannot tell cheaply is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Numbers {
    /// Dead letters, counted up to a million.
    pub dead_letters: Option<u32>,
    /// Age of the oldest dead letter by the store's clock; zero without any.
    pub oldest_letter: Option<Duration>,
    /// System errors in the outbox, counted up to a million.
    pub outbox: Option<u32>,
    /// All circuits: name and state as stored.
    pub circuits: Vec<(String, String)>,
    /// Bytes that may still be written where the data lies.
    pub disk_free: Option<u64>,
}

/// How much data there is.
#[async_trait]
pub trait Statistics: Send + Sync + 'static {
    /// Counts; reads only.
    async fn numbers(&self) -> Result<Numbers, Failure>;
}
