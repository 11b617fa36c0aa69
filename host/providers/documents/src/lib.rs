//! A twin's stores over any document database that has conditional writes of one document and sorted indexes.
//!
//! DynamoDB, Cosmos DB and Firestore offer nearly the same: documents with a key, a write that depends on the state of the
//! document, and an index by which the documents of a partition are sorted. What a twin makes of that is the same for all: which
//! record is which ([`Records`](twin_capabilities::Records)), which letter is next
//! ([`DeadLetters`](twin_capabilities::DeadLetters)), whose circuit counts ([`Circuits`](twin_capabilities::Circuits)). It is
//! said here once, in [`DocumentStore`]; a cloud's provider implements [`Documents`], its service's calls.
//!
//! # What it promises
//!
//! A record is one conditional write, whose address is the hash of (twin, collection, device id, id). So of any number of writers
//! exactly one stores it, and all others get its digest to compare. A letter is leased, given back and settled by conditional
//! writes, too: two replays never hold the same letter.
//!
//! Reading goes through an index. Where the service updates it late (see the provider), a record or a letter appears in a page a
//! moment after it was acknowledged. Nothing is lost or doubled by that.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use twin_capabilities::{Records, provider::system_clock, records::{Entry, Outcome}};
//! use twin_documents::{DocumentStore, InMemory, Settings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let database = InMemory::default();
//! let store = DocumentStore::new(database, "factory-01", system_clock(), Settings::default());
//! let entry = Entry {
//!     device_id: "sensor-1".to_owned(),
//!     time: 1_767_225_600_000_000,
//!     id: "reading-1".to_owned(),
//!     message_type: "telemetry".to_owned(),
//!     digest: "the SHA-256 of the payload".to_owned(),
//!     body: b"{}".to_vec(),
//! };
//! let first = store.put("messages".to_owned(), vec![entry]).await;
//! assert!(matches!(first[..], [Ok(Outcome::Stored(_))]));
//! # }
//! ```

mod circuits;
mod clock;
mod copies;
mod dead_letters;
mod document;
mod documents;
mod health;
mod letter;
#[cfg(feature = "testing")]
mod memory;
mod merge;
mod names;
mod prepare;
mod records;
mod service;
mod statistics;
mod store;

pub use clock::ServiceClock;
pub use copies::{COPY_LIMIT, LetterCopies, LetterCopy};
pub use document::{
    Address, Batch, Created, Document, Fields, Index, Missing, Range, Stored, Table, Tag, Value,
};
pub use documents::Documents;
#[cfg(feature = "testing")]
pub use memory::InMemory;
pub use prepare::{Finding, Prepared, Problem};
pub use service::{Kind, ServiceError};
pub use statistics::COUNTED;
pub use store::{DocumentStore, Settings};
