//! The outbox of the error topic: one file per event, named by its id, which begins with its time.

use twin_adapter::{Event, Failure, Outbox};

use crate::{Adapter, folder::Folder};

const OUTBOX: &str = "outbox";

impl Outbox for Adapter {
    async fn keep(event: &Event) -> Result<(), Failure> {
        let folder = Folder::open().await?;
        let content = event.document.clone();
        folder.create(OUTBOX, &event.id, content).await.map(drop)
    }

    async fn waiting(limit: u32) -> Result<Vec<Event>, Failure> {
        let folder = Folder::open().await?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut events = Vec::new();
        for id in folder.list(OUTBOX).await?.into_iter().take(limit) {
            // `None` if another process has just delivered it.
            if let Some(document) = folder.read(OUTBOX, &id).await? {
                events.push(Event { id, document });
            }
        }
        Ok(events)
    }

    async fn forget(id: &str) -> Result<(), Failure> {
        let folder = Folder::open().await?;
        folder.remove(OUTBOX, id).await.map(drop)
    }
}
