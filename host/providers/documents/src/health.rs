//! Whether every table of the twin can be used.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join_all;
use tokio::{sync::Mutex, time::Instant};
use twin_capabilities::{Failure, Health, provider::later};

use crate::{
    document::{Document, Fields, Table},
    documents::Documents,
    names,
    store::{DocumentStore, Inner},
};

/// How long a result is shared. Probes need no credential, and each call costs money.
const SHARED: Duration = Duration::from_secs(2);

/// How long the document of a host stays after the host is gone.
const KEPT: Duration = Duration::from_secs(86_400);

/// The last check.
pub(crate) type Checked = Mutex<Option<(Instant, Result<(), Failure>)>>;

#[async_trait]
impl<D: Documents> Health for DocumentStore<D> {
    async fn check(&self) -> Result<(), Failure> {
        let inner = &self.inner;
        let mut checked = inner.checked.lock().await;
        if let Some((at, result)) = &*checked
            && at.elapsed() < SHARED
        {
            return result.clone();
        }
        let result = inner.check().await;
        *checked = Some((Instant::now(), result.clone()));
        result
    }
}

impl<D: Documents> Inner<D> {
    async fn check(&self) -> Result<(), Failure> {
        let now = (self.clock)();
        let document = Document {
            address: names::address(
                Table::State,
                format!("{}/health", self.twin),
                // One of each host: many that write the same one would wait for each other.
                &[&self.twin, "health", &self.host],
            ),
            order: names::numbered(0, &self.host),
            queue: None,
            expires_at: Some(later(now, KEPT)),
            fields: Fields::default().number("checked_at", now),
        };
        self.documents.write(document).await?;
        let looks = Table::ALL.map(|table| self.documents.look(table));
        try_join_all(looks).await.map(|_| ())
    }
}
