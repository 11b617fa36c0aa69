//! Numbers for `/metrics`.

use async_trait::async_trait;
use twin_capabilities::{Failure, Statistics, health::Numbers, provider::age};

use crate::{
    document::Index,
    documents::Documents,
    store::{DocumentStore, unreadable},
};

/// The most letters that are counted. Services charge for each document that they count.
pub const COUNTED: u32 = 10_000;

#[async_trait]
impl<D: Documents> Statistics for DocumentStore<D> {
    async fn numbers(&self) -> Result<Numbers, Failure> {
        let letters = self.inner.letters(Index::Order);
        let oldest = self.inner.documents.query(&letters, 1).await?;
        let stored_at = oldest
            .documents
            .first()
            .map(|oldest| oldest.document.fields.number_of("stored_at"))
            .transpose()
            .map_err(unreadable)?;
        let dead_letters = match stored_at {
            None => 0,
            Some(_) => self.inner.documents.count(&letters, COUNTED).await?,
        };
        Ok(Numbers {
            dead_letters: Some(dead_letters),
            oldest_letter: Some(age((self.inner.clock)(), stored_at)),
            outbox: None,
            circuits: self.inner.all_circuits().await?,
            disk_free: None,
        })
    }
}
