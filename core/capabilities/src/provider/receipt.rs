//! Receipts, which prove the ownership of a lease.

use uuid::{NoContext, Timestamp, Uuid};

/// A new receipt: unique and not guessable, because 74 of its bits are random.
///
/// [`Uuid::now_v7`] is not used, because it counts: receipts of one millisecond could be derived from each other.
#[must_use]
pub fn receipt() -> String {
    Uuid::new_v7(Timestamp::now(NoContext)).to_string()
}
