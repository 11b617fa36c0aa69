//! The twin's records: received messages, by device and time.
//!
//! A record's identity is (twin, collection, device id, id). The same id with the same payload is the same record; with
//! another payload it is a conflict. Records are sorted and queried by time.

use async_trait::async_trait;
pub use twin_contract::Order;

use crate::types::{Failure, Instant};

/// A record to store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// At most 256 bytes.
    pub device_id: String,
    /// The time by which it is sorted.
    pub time: Instant,
    /// 1 to 128 of `A-Z a-z 0-9 . _ : -`.
    pub id: String,
    /// `telemetry`, `event` or `command`; `system-error` for system errors.
    pub message_type: String,
    /// Lower-case hex SHA-256 of the payload: distinguishes a repetition from another message with the same id.
    pub digest: String,
    /// Kept verbatim.
    pub body: Vec<u8>,
}

/// The outcome for an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable. The value is the time at which it was stored, by the store's clock.
    Stored(Instant),
    /// It already existed, and was stored at this time. Nothing changed.
    Duplicate(Instant),
    /// Its id belongs to another payload. Nothing changed.
    Conflict,
}

/// A record that was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// The time by which it is sorted.
    pub time: Instant,
    /// Its id.
    pub id: String,
    /// Verbatim.
    pub body: Vec<u8>,
    /// By the store's clock.
    pub stored_at: Instant,
}

/// A place in the order: right after the record with this time and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The record's time.
    pub time: Instant,
    /// The record's id.
    pub id: String,
}

/// Which records to return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The device.
    pub device_id: String,
    /// At or after this time.
    pub start: Option<Instant>,
    /// Before this time.
    pub end: Option<Instant>,
    /// By (time, id).
    pub order: Order,
    /// 1 to 1000.
    pub limit: u32,
    /// The end of the previous page.
    pub after: Option<Position>,
}

/// Some records, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// At most as many as were asked for.
    pub entries: Vec<StoredEntry>,
    /// Whether more entries follow after the last of these.
    pub more: bool,
}

/// Collections of records, kept in order of (device, time, id).
#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
pub trait Records: Send + Sync + 'static {
    /// Stores entries; returns one result for each, in order. A successful entry is durable. The entries of one call are
    /// independent: some may be stored and others not. A damaged record is replaced if the same record is stored again.
    async fn put(&self, collection: String, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>>;

    /// Returns at most `limit` records (limited to 1 to 1000), and at most 1 MiB of bodies but at least one record.
    ///
    /// # Errors
    /// The store's failure.
    async fn query(&self, collection: String, selection: Selection) -> Result<Page, Failure>;
}
