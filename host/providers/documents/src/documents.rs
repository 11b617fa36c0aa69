//! What a document database must be able to do.

use async_trait::async_trait;
use twin_capabilities::Failure;

use crate::document::{Address, Batch, Created, Document, Range, Stored, Table, Tag};

/// A document database: DynamoDB, Cosmos DB, Firestore, or any other with conditional writes of one document and sorted indexes.
///
/// Nothing here is atomic over several documents. Writes are durable when they return, and [`get`](Self::get) sees every write
/// that has returned, whichever process made it. [`query`](Self::query) and [`count`](Self::count) may be late: the twin's stores
/// then read late, but never store or lease anything twice.
///
/// Each call has a time limit of the implementation's own. It is made once: the callers decide whether to try again.
#[async_trait]
pub trait Documents: Send + Sync + 'static {
    /// Whether a document is larger than the service accepts.
    fn is_too_large(&self, document: &Document) -> bool;

    /// Creates a document. One that is at this address already stays unchanged, and is returned.
    ///
    /// # Errors
    /// The service's failure. The document may have been created.
    async fn create(&self, document: Document) -> Result<Created, Failure>;

    /// Returns the document at an address.
    ///
    /// # Errors
    /// The service's failure.
    async fn get(&self, address: &Address) -> Result<Option<Stored>, Failure>;

    /// Replaces the document at an address if it still has this tag. False if it has another one, or is gone.
    ///
    /// # Errors
    /// The service's failure. The document may have been replaced.
    async fn replace(&self, document: Document, tag: &Tag) -> Result<bool, Failure>;

    /// Removes the document at an address if it still has this tag. False if it has another one, or is gone.
    ///
    /// # Errors
    /// The service's failure. The document may have been removed.
    async fn remove(&self, address: &Address, tag: &Tag) -> Result<bool, Failure>;

    /// Creates or replaces a document, whatever is there.
    ///
    /// # Errors
    /// The service's failure. The document may have been written.
    async fn write(&self, document: Document) -> Result<(), Failure>;

    /// Returns at most `limit` documents of a range (at least 1), in its order.
    ///
    /// # Errors
    /// The service's failure.
    async fn query(&self, range: &Range, limit: u32) -> Result<Batch, Failure>;

    /// Counts the documents of a range, up to `limit`.
    ///
    /// # Errors
    /// The service's failure.
    async fn count(&self, range: &Range, limit: u32) -> Result<u32, Failure>;

    /// Reads something of a table, to find out whether it can be read.
    ///
    /// # Errors
    /// The service's failure.
    async fn look(&self, table: Table) -> Result<(), Failure>;
}
