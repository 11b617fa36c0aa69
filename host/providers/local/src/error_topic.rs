//! The interface `error-topic` in a data folder: the outbox from which the host forwards system errors.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Row, named_params};
use tokio::time::timeout;
use twin_capabilities::{
    ErrorTopic, Outbox,
    error_topic::{Event, PUBLISH_LIMIT, SystemError},
    provider::later,
    types::Failure,
};
use uuid::Uuid;

use super::{Store, columns::SpelledSeverity, session::Session, writer::Need};

const PUBLISH: &str = "
    INSERT INTO error_events
        (twin, event_id, twin_id, cloud_provider, severity, component, error_code, message,
         timestamp, raw_data)
    VALUES
        (:twin, :event_id, :twin_id, :cloud_provider, :severity, :component, :error_code, :message,
         :timestamp, :raw_data)";

const LEASE: &str = "
    UPDATE error_events SET leased_at_us = :now, leased_until_us = :until, attempts = attempts + 1
    WHERE seq IN (
        SELECT seq FROM error_events
        WHERE twin = :twin
            AND (leased_until_us IS NULL OR leased_until_us <= :now OR leased_at_us > :now)
        ORDER BY seq LIMIT :limit)
    RETURNING *";

const SETTLE: &str = "DELETE FROM error_events WHERE twin = :twin AND event_id = :event_id";

const RELEASE: &str = "
    UPDATE error_events SET leased_until_us = NULL WHERE twin = :twin AND event_id = :event_id";

#[async_trait]
impl ErrorTopic for Store {
    async fn publish(&self, error: SystemError) -> Result<(), Failure> {
        // Without a payload it is small. A letter may have to be reported before it can be removed, so this also works on a
        // full disk.
        let small = error.raw_data.is_none();
        let publish = move |session: &Session<'_>| publish(session, &error);
        let published = async {
            if small {
                self.writer.mark(publish).await
            } else {
                self.writer.run(Need::Little, publish).await
            }
        };
        timeout(PUBLISH_LIMIT, published)
            .await
            .unwrap_or_else(|_| Err(Failure::Unavailable("the store is busy".to_owned())))
    }
}

#[async_trait]
impl Outbox for Store {
    async fn pending(&self, limit: u32, lease: Duration) -> Result<Vec<Event>, Failure> {
        self.writer
            .mark(move |session| pending(session, limit, lease))
            .await
    }

    async fn settle(&self, event_id: String) -> Result<(), Failure> {
        self.writer
            .mark(move |session| give_up(session, SETTLE, &event_id))
            .await
    }

    async fn release(&self, event_id: String) -> Result<(), Failure> {
        self.writer
            .mark(move |session| give_up(session, RELEASE, &event_id))
            .await
    }
}

/// Puts an error into the outbox.
pub(super) fn publish(session: &Session<'_>, error: &SystemError) -> rusqlite::Result<()> {
    session.execute(
        PUBLISH,
        named_params! {
            ":twin": session.twin(),
            ":event_id": Uuid::now_v7().to_string(),
            ":twin_id": error.twin_id,
            ":cloud_provider": error.cloud_provider,
            ":severity": SpelledSeverity(error.severity),
            ":component": error.component,
            ":error_code": error.error_code,
            ":message": error.message,
            ":timestamp": error.timestamp,
            ":raw_data": error.raw_data,
        },
    )?;
    Ok(())
}

fn pending(session: &Session<'_>, limit: u32, lease: Duration) -> rusqlite::Result<Vec<Event>> {
    let now = session.now();
    let mut statement = session.connection.prepare_cached(LEASE)?;
    let mut leased = statement
        .query_map(
            named_params! {
                ":twin": session.twin(),
                ":now": now,
                ":until": later(now, lease),
                ":limit": limit,
            },
            |row| Ok((row.get::<_, i64>("seq")?, read(row)?)),
        )?
        .collect::<Result<Vec<_>, _>>()?;
    // An UPDATE may return its rows in any order.
    leased.sort_unstable_by_key(|(seq, _)| *seq);
    Ok(leased.into_iter().map(|(_, event)| event).collect())
}

fn give_up(session: &Session<'_>, how: &str, event_id: &str) -> rusqlite::Result<()> {
    session.execute(
        how,
        named_params! { ":twin": session.twin(), ":event_id": event_id },
    )?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event {
        id: row.get("event_id")?,
        error: SystemError {
            twin_id: row.get("twin_id")?,
            cloud_provider: row.get("cloud_provider")?,
            severity: row.get::<_, SpelledSeverity>("severity")?.0,
            component: row.get("component")?,
            error_code: row.get("error_code")?,
            message: row.get("message")?,
            timestamp: row.get("timestamp")?,
            raw_data: row.get("raw_data")?,
        },
        attempts: row.get("attempts")?,
    })
}
