//! Undeliverable messages: `dead-letters` and `dead-letter-replay` of the WIT.
//!
//! Letters have two orders. `list` returns them in the order in which they were stored. `take` works through a queue: a
//! letter goes to its end when it is stored, and again each time it is taken, so letters that cannot be delivered do not
//! prevent others from being tried.

use async_trait::async_trait;
pub use twin_contract::LetterPlace as Place;

use crate::types::{Failure, Instant};

/// One attempt to deliver, and its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it ended.
    pub at: Instant,
    /// The peer's status, if it replied.
    pub status: Option<u16>,
    /// What went wrong: `HTTP 503`, `timed out`, `circuit open`, …
    pub cause: String,
}

/// A message that could not be delivered, with its history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Identifies the letter. Derived from peer, id and envelope, so the same failure stored twice is one letter.
    pub letter_id: String,
    /// The id of the message since its first hop; sent as `idempotency-key`.
    pub id: String,
    /// The peer that it was for.
    pub peer: String,
    /// The trace of the message.
    pub trace_id: Option<String>,
    /// The bytes that every attempt sent.
    pub envelope: Vec<u8>,
    /// In order.
    pub attempts: Vec<Attempt>,
    /// When the first attempt failed.
    pub first_failure_at: Instant,
    /// When the last attempt failed.
    pub last_failure_at: Instant,
}

/// A letter as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLetter {
    /// The letter.
    pub letter: Letter,
    /// By the store's clock.
    pub stored_at: Instant,
    /// When the lease of a replay ends, if one holds the letter.
    pub leased_until: Option<Instant>,
}

/// Some letters, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// At most as many as were asked for.
    pub letters: Vec<StoredLetter>,
    /// Where the next page starts; absent on the last page.
    pub next: Option<Place>,
}

/// Which letters to take: those that meet all conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only the letter with this id.
    pub letter_id: Option<String>,
    /// Only letters addressed to this peer.
    pub peer: Option<String>,
    /// Only letters stored before this time.
    pub before: Option<Instant>,
}

/// A letter without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The letter's id.
    pub letter_id: String,
    /// The id of the message.
    pub id: String,
    /// The peer that it was for.
    pub peer: String,
    /// By the store's clock.
    pub stored_at: Instant,
}

/// Some letters in the order of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewPage {
    /// At most as many as were asked for.
    pub letters: Vec<Summary>,
    /// Where the next page starts; absent on the last page.
    pub next: Option<Place>,
}

impl Letter {
    /// Its place in an order in which it has this number.
    #[must_use]
    pub fn place(&self, number: u64) -> Place {
        Place {
            number,
            letter_id: self.letter_id.clone(),
        }
    }

    /// The letter without its content. `stored_at` is by the store's clock.
    #[must_use]
    pub fn summary(&self, stored_at: Instant) -> Summary {
        Summary {
            letter_id: self.letter_id.clone(),
            id: self.id.clone(),
            peer: self.peer.clone(),
            stored_at,
        }
    }
}

impl Selection {
    /// Whether a letter that was stored at this time, by the store's clock, meets all conditions.
    #[must_use]
    pub fn includes(&self, letter: &Letter, stored_at: Instant) -> bool {
        let Self {
            letter_id,
            peer,
            before,
        } = self;
        letter_id.as_ref().is_none_or(|id| *id == letter.letter_id)
            && peer.as_ref().is_none_or(|peer| *peer == letter.peer)
            && before.is_none_or(|before| stored_at < before)
    }
}

/// A letter that belongs to its holder until the lease ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The letter.
    pub letter: Letter,
    /// Proves that the lease still belongs to the holder.
    pub receipt: String,
    /// The letter's turn in the queue before it was taken; for [`DeadLetters::release`].
    pub turn: u64,
}

/// Letters that were taken out of the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Empty if no letter in the selection and the round is free.
    pub leases: Vec<Lease>,
    /// The round: pass it to [`DeadLetters::take`] for the remaining letters.
    pub round: u64,
    /// Whether more letters follow in this round, as far as the store has looked.
    pub more: bool,
}

/// Stores undeliverable messages and leases them for replay. Several callers may use it at once.
///
/// A lease ends by the store's clock. Its receipt stays valid until the letter is taken again, so a delivery that takes
/// longer than its lease still settles its letter if no other replay has taken it.
#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
pub trait DeadLetters: Send + Sync + 'static {
    /// Stores a letter durably. A letter that is already stored stays unchanged; a damaged one is replaced.
    ///
    /// # Errors
    /// The store's failure.
    async fn push(&self, letter: Letter) -> Result<(), Failure>;

    /// Returns at most `limit` letters after a place, and at most 1 MiB of envelopes but at least one letter. Any place is
    /// valid: the letter that it names may no longer exist.
    ///
    /// # Errors
    /// The store's failure.
    async fn list(&self, after: Option<Place>, limit: u32) -> Result<Page, Failure>;

    /// Returns one letter; `None` if it does not exist (any more).
    ///
    /// # Errors
    /// The store's failure.
    async fn get(&self, letter_id: String) -> Result<Option<StoredLetter>, Failure>;

    /// Returns what [`Self::take`] would lease, in its order: at most `limit` letters after a place in the queue. Changes
    /// count.
    ///
    /// # Errors
    /// The store's failure.
    async fn preview(
        &self,
        selection: Selection,
        after: Option<Place>,
        limit: u32,
    ) -> Result<PreviewPage, Failure>;

    /// Leases letters that are free for `lease_ms` milliseconds, in the order of the queue, and puts them at its end. At most
    /// `limit` letters and 1 MiB of envelopes, but at least one letter, if one is free.
    ///
    /// A round consists of the letters that are in the queue when it begins, each of them once: letters that are taken or
    /// stored later belong to the next. Without `round`, or with one beyond the end of the queue, a new round begins.
    ///
    /// # Errors
    /// The store's failure.
    async fn take(
        &self,
        selection: Selection,
        round: Option<u64>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Taken, Failure>;

    /// Leases a damaged letter, whose content differs from what was stored, so that it can be discarded. The lease contains
    /// what is left of it, which must not be sent. `None` if there is no such letter, if it is intact or leased, and in
    /// stores that do not compare letters with a digest.
    ///
    /// # Errors
    /// The store's failure.
    async fn take_damaged(
        &self,
        letter_id: String,
        lease_ms: u32,
    ) -> Result<Option<Lease>, Failure>;

    /// Removes a letter that was delivered or discarded. False if the receipt is no longer valid: another replay took the
    /// letter after the lease had ended.
    ///
    /// # Errors
    /// The store's failure.
    async fn settle(&self, letter_id: String, receipt: String) -> Result<bool, Failure>;

    /// Gives a letter back before its lease ends; with `turn`, to its old place in the queue (never after its present one).
    /// False under the same condition as [`Self::settle`].
    ///
    /// # Errors
    /// The store's failure.
    async fn release(
        &self,
        letter_id: String,
        receipt: String,
        turn: Option<u64>,
    ) -> Result<bool, Failure>;
}
