//! Removes data that is too old, in batches and in the background, on one host at a time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::json;
use tokio::time::{Instant as Monotonic, sleep, timeout};
use twin_capabilities::{
    Failure, Instant,
    error_topic::{Severity, SystemError},
    provider::{Judgement, Reading, judge, micros},
};
use twin_contract::{EventCode, Timestamp, registry::component};

use crate::{
    Postgres,
    clock::{is_free, now},
    connection::Session,
    damage::{forget_removed_records, lossy},
    error::Trouble,
    error_topic,
    text::Text,
};

/// The pause between two checks for old data.
const PAUSE: Duration = Duration::from_secs(600);

/// The pause between two batches, for other writers.
const BREATH: Duration = Duration::from_millis(20);

/// How long one batch may take.
const BATCH_LIMIT: Duration = Duration::from_secs(30);

/// Rows in one batch. For letters, as many as one system error can name.
const RECORDS: i64 = 5_000;
const LETTERS: i64 = 100;

/// Only one host at a time removes a twin's data. The server releases the lock when the connection ends.
const LOCK: &str = "SELECT pg_try_advisory_lock(x'7477696f'::int, hashtext($1)) AS mine";

/// A batch may take longer than the limit for other statements.
const PATIENCE: &str = "SET statement_timeout = '25s'";

/// Oldest first. Rows that others have locked are left for the next batch, so nothing waits for them.
const REMOVE_RECORDS: &str = concat!(
    "WITH old AS MATERIALIZED (
        SELECT collection, device_id, id FROM twin.records
        WHERE twin = $2 AND stored_at_us < ",
    now!(),
    " - $3 ORDER BY stored_at_us LIMIT $4 FOR UPDATE SKIP LOCKED)
    DELETE FROM twin.records AS record USING old
    WHERE record.twin = $2 AND record.collection = old.collection
        AND record.device_id = old.device_id AND record.id = old.id"
);

/// Includes damaged letters.
const REMOVE_LETTERS: &str = concat!(
    "WITH old AS MATERIALIZED (
        SELECT seq FROM twin.dead_letters
        WHERE twin = $2 AND stored_at_us < ",
    now!(),
    " - $3 AND ",
    is_free!(),
    " ORDER BY seq LIMIT $4 FOR UPDATE SKIP LOCKED),
    forgotten AS (
        DELETE FROM twin.damage USING old
        WHERE damage.twin = $2 AND kind = 'letter' AND item = old.seq::text)
    DELETE FROM twin.dead_letters AS letter USING old WHERE letter.seq = old.seq
    RETURNING letter.letter_id, letter.id, letter.peer"
);

const NOW: &str = concat!("SELECT ", now!(), " AS now_us");

/// The number of removed rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Records.
    pub records: u64,
    /// Dead letters; each is named in a system error.
    pub letters: u64,
}

impl Postgres {
    /// Removes data that is too old, repeatedly, until the store is closed. It starts only after the server's clock has run
    /// correctly for one pause, and does not remove anything while that clock is ahead.
    pub fn retention(&self) -> impl Future<Output = ()> + Send + use<> {
        let started = Monotonic::now();
        let place = Arc::downgrade(&self.place);
        async move {
            let mut trusted = None;
            let mut doubted = false;
            loop {
                sleep(PAUSE).await;
                let Some(place) = place.upgrade() else {
                    return;
                };
                let Ok(session) = place.connect(None).await else {
                    continue;
                };
                let Ok(clock) = read_clock(&session).await else {
                    continue;
                };
                let now = Reading {
                    clock,
                    running: started.elapsed(),
                };
                match judge(*trusted.get_or_insert(now), now) {
                    // The first reading proves nothing.
                    Judgement::Steady if trusted == Some(now) => {}
                    Judgement::Steady => {
                        (trusted, doubted) = (Some(now), false);
                        expire_and_tell(&session).await;
                    }
                    Judgement::Ahead(by) if !doubted => {
                        doubted = true;
                        tracing::error!(
                            ahead_seconds = by.as_secs(),
                            "the database's clock jumped ahead: nothing is removed for its age until it is set back, or has been ahead for a day"
                        );
                    }
                    Judgement::Ahead(_) => {}
                }
            }
        }
    }

    /// Removes data that is too old now; does nothing while another host removes data.
    ///
    /// # Errors
    /// If the store cannot be written. What has been removed by then stays removed.
    pub async fn expire(&self) -> Result<Expired, Failure> {
        let session = self.place.connect(None).await.map_err(Trouble::from)?;
        Ok(expire(&session).await?)
    }
}

async fn read_clock(session: &Session) -> Result<Instant, Trouble> {
    let row = session.row(NOW, &[&session.now()]).await?;
    Ok(row.try_get("now_us")?)
}

async fn expire_and_tell(session: &Session) {
    match expire(session).await {
        Ok(expired) if expired == Expired::default() => {}
        Ok(Expired { records, letters }) => {
            tracing::info!(records, letters, "removed what was too old");
        }
        Err(trouble) => tracing::error!(%trouble, "what is too old was not removed"),
    }
}

async fn expire(session: &Session) -> Result<Expired, Trouble> {
    let settings = &session.home.settings;
    let mut expired = Expired::default();
    let mine = session.row(LOCK, &[&Text::from(session.twin())]).await?;
    if !mine.try_get::<_, bool>("mine")? {
        return Ok(expired);
    }
    session.batch(PATIENCE).await?;
    if let Some(age) = settings.record_age {
        loop {
            let removed = in_time(records(session, age)).await?;
            expired.records += removed;
            if removed < RECORDS.unsigned_abs() {
                break;
            }
            sleep(BREATH).await;
        }
        if expired.records > 0 {
            in_time(forget_removed_records(session)).await?;
        }
    }
    if let Some(age) = settings.letter_age {
        loop {
            let removed = in_time(letters(session, age)).await?;
            expired.letters += removed;
            if removed < LETTERS.unsigned_abs() {
                break;
            }
            sleep(BREATH).await;
        }
    }
    Ok(expired)
}

async fn in_time<T>(batch: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    timeout(BATCH_LIMIT, batch)
        .await
        .unwrap_or(Err(Trouble::TooSlow))
}

async fn records(session: &Session, age: Duration) -> Result<u64, Trouble> {
    let twin = Text::from(session.twin());
    session
        .execute(
            REMOVE_RECORDS,
            &[&session.now(), &twin, &micros(age), &RECORDS],
        )
        .await
}

async fn letters(session: &Session, age: Duration) -> Result<u64, Trouble> {
    let twin = Text::from(session.twin());
    // In one transaction, so no letter is removed without a report.
    session.begin().await?;
    let removed = session
        .rows(
            REMOVE_LETTERS,
            &[&session.now(), &twin, &micros(age), &LETTERS],
        )
        .await?;
    let mut named: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
    for row in &removed {
        let letter = json!({"letter_id": lossy(row, "letter_id"), "id": lossy(row, "id")});
        named.entry(lossy(row, "peer")).or_default().push(letter);
    }
    let now = Timestamp::from_micros(read_clock(session).await?).to_string();
    for (peer, letters) in named {
        let error = expired(session, &peer, &letters, age, now.clone());
        error_topic::publish(session, error).await?;
    }
    session.commit().await?;
    Ok(removed.len() as u64)
}

fn expired(
    session: &Session,
    peer: &str,
    letters: &[serde_json::Value],
    age: Duration,
    timestamp: String,
) -> SystemError {
    let (count, days) = (letters.len(), age.as_secs() / 86_400);
    let cloud = session.home.settings.cloud;
    let list = serde_json::Value::from(letters).to_string();
    SystemError {
        twin_id: session.twin().to_owned(),
        cloud_provider: cloud.map_or("", |cloud| cloud.as_str()).to_owned(),
        severity: Severity::Critical,
        component: component::connector_of(peer).to_owned(),
        error_code: EventCode::LetterExpired.as_str().to_owned(),
        message: format!(
            "{count} dead letters for {peer} were older than {days} days and were removed: raw_data names them"
        ),
        timestamp,
        raw_data: Some(list),
    }
}
