//! Receipts: what a lease is proven with.

use uuid::{NoContext, Timestamp, Uuid};

/// A new receipt, never given before and not to be guessed: 74 of its bits are random.
///
/// Not [`Uuid::now_v7`], which counts: receipts given within one millisecond would tell of each other.
#[must_use]
pub fn receipt() -> String {
    Uuid::new_v7(Timestamp::now(NoContext)).to_string()
}
