//! `error-topic` in PostgreSQL: the outbox from which the hosts forward system errors.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;
use tokio_postgres::Row;
use twin_capabilities::{
    ErrorTopic, Failure, Outbox,
    error_topic::{Event, PUBLISH_LIMIT, SystemError},
    provider::micros,
};
use uuid::Uuid;

use crate::{
    Store,
    batch::Batched,
    clock::{is_free, now},
    columns::{read_severity, severity},
    connection::Session,
    error::Trouble,
    listen::CHANNEL,
    pool::Work,
    text::Text,
};

/// The notice wakes the forwarders of all hosts; they read the events from the table. One notice per batch, because commits
/// with a notice wait for each other, across the whole server.
const PUBLISH: &str = "
    WITH published AS (
        INSERT INTO twin.error_events
            (twin, event_id, twin_id, cloud_provider, severity, component, error_code, message,
             timestamp, raw_data)
        SELECT $1, event.* FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
            $7::text[], $8::text[], $9::text[], $10::text[]) AS event
        ON CONFLICT (twin, event_id) DO NOTHING RETURNING seq)
    SELECT pg_notify($11, $1) FROM (SELECT seq FROM published LIMIT 1) AS any_published";

/// Materialized, because a subquery with a limit and locks must run only once.
const LEASE: &str = concat!(
    "WITH free AS MATERIALIZED (
        SELECT seq FROM twin.error_events WHERE twin = $2 AND ",
    is_free!(),
    " ORDER BY seq LIMIT $3 FOR UPDATE SKIP LOCKED),
    clock AS MATERIALIZED (SELECT ",
    now!(),
    " AS now)
    UPDATE twin.error_events AS event
    SET leased_at_us = now, leased_until_us = now + least($4, 9223372036854775807 - now),
        attempts = attempts + 1
    FROM free, clock WHERE event.seq = free.seq RETURNING event.*"
);

const SETTLE: &str = "DELETE FROM twin.error_events WHERE twin = $1 AND event_id = $2";

const RELEASE: &str = "
    UPDATE twin.error_events SET leased_until_us = NULL WHERE twin = $1 AND event_id = $2";

#[async_trait]
impl ErrorTopic for Store {
    async fn publish(&self, error: SystemError) -> Result<(), Failure> {
        let busy = || Failure::Unavailable("the store is busy".to_owned());
        let events = vec![Publish::new(error)];
        let published = timeout(PUBLISH_LIMIT, self.events.write(events)).await;
        published
            .ok()
            .and_then(|mut results| results.pop())
            .unwrap_or_else(|| Err(busy()))
    }
}

#[async_trait]
impl Outbox for Store {
    async fn pending(&self, limit: u32, lease: Duration) -> Result<Vec<Event>, Failure> {
        self.writes.once(Pending { limit, lease }).await
    }

    async fn settle(&self, event_id: String) -> Result<(), Failure> {
        self.writes.again(GiveUp(SETTLE, event_id)).await
    }

    async fn release(&self, event_id: String) -> Result<(), Failure> {
        self.writes.once(GiveUp(RELEASE, event_id)).await
    }

    async fn published(&self) {
        self.listener.bell.rung().await;
    }
}

/// An event to be published.
pub(crate) struct Publish {
    /// Assigned here, so the event is published only once even if the write is repeated.
    id: String,
    error: SystemError,
}

impl Publish {
    pub(crate) fn new(error: SystemError) -> Self {
        Self {
            id: Uuid::now_v7().to_string(),
            error,
        }
    }
}

impl Batched for Publish {
    type Outcome = ();

    fn bytes(&self) -> usize {
        self.error.raw_data.as_ref().map_or(0, String::len) + self.error.message.len() + 300
    }

    async fn write(events: &[Self], session: &Session) -> Result<Vec<()>, Trouble> {
        let texts = |part: fn(&SystemError) -> &String| -> Vec<Text<'_>> {
            events
                .iter()
                .map(|event| Text::from(part(&event.error)))
                .collect()
        };
        let ids: Vec<_> = events.iter().map(|event| event.id.as_str()).collect();
        let severities: Vec<_> = events
            .iter()
            .map(|event| severity(event.error.severity))
            .collect();
        let raw: Vec<_> = events
            .iter()
            .map(|event| event.error.raw_data.as_ref().map(Text::from))
            .collect();
        session
            .rows(
                PUBLISH,
                &[
                    &Text::from(session.twin()),
                    &ids,
                    &texts(|error| &error.twin_id),
                    &texts(|error| &error.cloud_provider),
                    &severities,
                    &texts(|error| &error.component),
                    &texts(|error| &error.error_code),
                    &texts(|error| &error.message),
                    &texts(|error| &error.timestamp),
                    &raw,
                    &CHANNEL,
                ],
            )
            .await?;
        Ok(events.iter().map(|_| ()).collect())
    }
}

/// Publishes an error to the outbox, within the caller's transaction.
pub(crate) async fn publish(session: &Session, error: SystemError) -> Result<(), Trouble> {
    Publish::write(&[Publish::new(error)], session)
        .await
        .map(drop)
}

struct Pending {
    limit: u32,
    lease: Duration,
}

impl Work for Pending {
    type Output = Vec<Event>;

    async fn run(&self, session: &Session) -> Result<Vec<Event>, Trouble> {
        let rows = session
            .rows(
                LEASE,
                &[
                    &session.now(),
                    &Text::from(session.twin()),
                    &i64::from(self.limit),
                    &micros(self.lease),
                ],
            )
            .await?;
        let mut leased = rows
            .iter()
            .map(|row| Ok((row.try_get::<_, i64>("seq")?, read(row)?)))
            .collect::<Result<Vec<_>, Trouble>>()?;
        // UPDATE returns its rows in any order.
        leased.sort_unstable_by_key(|(seq, _)| *seq);
        Ok(leased.into_iter().map(|(_, event)| event).collect())
    }
}

struct GiveUp(&'static str, String);

impl Work for GiveUp {
    type Output = ();

    async fn run(&self, session: &Session) -> Result<(), Trouble> {
        session
            .execute(self.0, &[&Text::from(session.twin()), &Text::from(&self.1)])
            .await?;
        Ok(())
    }
}

fn read(row: &Row) -> Result<Event, Trouble> {
    let text = |column| -> Result<String, Trouble> {
        Ok(row.try_get::<_, Text<'static>>(column)?.0.into_owned())
    };
    let raw_data: Option<Text<'static>> = row.try_get("raw_data")?;
    let attempts: i32 = row.try_get("attempts")?;
    Ok(Event {
        id: text("event_id")?,
        error: SystemError {
            twin_id: text("twin_id")?,
            cloud_provider: text("cloud_provider")?,
            severity: read_severity(&text("severity")?)?,
            component: text("component")?,
            error_code: text("error_code")?,
            message: text("message")?,
            timestamp: text("timestamp")?,
            raw_data: raw_data.map(|text| text.0.into_owned()),
        },
        attempts: attempts.unsigned_abs(),
    })
}
