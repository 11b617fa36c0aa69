//! The content of a stage's store, written and read without the components.

use twin_capabilities::records::{Entry, Order, Selection, StoredEntry};
use twin_host::providers::memory::Capability;

use crate::{EPOCH_SECONDS, Stage};

/// The collection that the writer fills.
pub const MESSAGES: &str = "messages";
/// The collection that the error reporter fills.
pub const SYSTEM_ERRORS: &str = "system-errors";

impl Stage {
    /// All records of a device, oldest first.
    pub async fn records(&self, collection: &str, device_id: &str) -> Vec<StoredEntry> {
        let selection = Selection {
            device_id: device_id.to_owned(),
            start: None,
            end: None,
            order: Order::OldestFirst,
            limit: 1000,
            after: None,
        };
        let records = self.stores.stores().records;
        let page = records.query(collection.to_owned(), selection).await;
        page.expect("memory works").entries
    }

    /// Stores a message of `d1` this many seconds after the start of the stage, with this id and body.
    pub async fn put(&self, seconds: u64, id: &str, body: &str) {
        let entry = Entry {
            device_id: "d1".to_owned(),
            time: i64::try_from((EPOCH_SECONDS + seconds) * 1_000_000).unwrap(),
            id: id.to_owned(),
            message_type: "telemetry".to_owned(),
            digest: id.to_owned(),
            body: body.as_bytes().to_vec(),
        };
        let records = self.stores.stores().records;
        let outcomes = records.put(MESSAGES.to_owned(), vec![entry]).await;
        assert!(
            matches!(outcomes[..], [Ok(_)]),
            "memory works: {outcomes:?}"
        );
    }

    /// Makes the records' store fail, or work again.
    pub fn records_fail(&self, fail: bool) {
        self.stores.fail(Capability::Records, fail);
    }
}
