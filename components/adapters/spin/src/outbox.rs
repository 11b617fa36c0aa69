//! The outbox of the error topic: one row per event.

use spin_sdk::sqlite::Value;
use twin_adapter::{Event, Failure, Outbox};

use crate::{
    Adapter,
    database::{Database, text},
};

const KEEP: &str = "
    INSERT INTO error_outbox (twin, event_id, document) VALUES (?1, ?2, ?3)
    ON CONFLICT (twin, event_id) DO NOTHING";

const WAITING: &str = "
    SELECT event_id, document FROM error_outbox WHERE twin = ?1 ORDER BY seq LIMIT ?2";

const FORGET: &str = "DELETE FROM error_outbox WHERE twin = ?1 AND event_id = ?2";

impl Outbox for Adapter {
    async fn keep(event: &Event) -> Result<(), Failure> {
        let database = Database::open().await?;
        let document = Value::Blob(event.document.clone());
        let kept = database.first(KEEP, [text(&event.id), document]).await;
        kept.map(drop)
    }

    async fn waiting(limit: u32) -> Result<Vec<Event>, Failure> {
        let database = Database::open().await?;
        let mut rows = database
            .run(WAITING, [Value::Integer(limit.into())])
            .await?;
        let mut events = Vec::new();
        while let Some(row) = rows.next().await {
            events.push(Event {
                id: row.text(0)?,
                document: row.blob(1)?,
            });
        }
        rows.finish().await.map(|()| events)
    }

    async fn forget(id: &str) -> Result<(), Failure> {
        let database = Database::open().await?;
        database.first(FORGET, [text(id)]).await.map(drop)
    }
}
