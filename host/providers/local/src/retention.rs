//! Removes data that is too old, in small batches and in the background, and gives the room back to the disk.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use rusqlite::{Row, named_params};
use serde_json::json;
use tokio::time::{Instant as Monotonic, sleep};
use twin_capabilities::{
    error_topic::{Severity, SystemError},
    provider::{Judgement, Reading, earlier, judge},
    types::{Failure, Instant},
};
use twin_contract::{EventCode, Timestamp, registry::component};

use super::{
    Local, Store,
    damage::{self, Kind},
    error_topic,
    session::Session,
};

/// The time between two searches for data that is too old.
const PAUSE: Duration = Duration::from_secs(600);

/// The time between two batches, so that others can write.
const BREATH: Duration = Duration::from_millis(20);

/// The rows that are examined in one batch. For letters, as many as one system error can name.
const RECORDS: u32 = 500;
const LETTERS: u32 = 100;

/// How many free pages the database keeps for new data, and how many it gives back at once.
const KEPT_PAGES: u32 = 1024;
const GIVEN_PAGES: u32 = 256;

/// Oldest first: row numbers are in the order of storing.
const OLDEST_RECORDS: &str = "
    SELECT rowid,
        CASE WHEN twin = :twin THEN stored_at_us < :cutoff ELSE FALSE END,
        CASE WHEN twin = :twin THEN stored_at_us BETWEEN :cutoff AND :now ELSE FALSE END
    FROM records WHERE rowid > :after ORDER BY rowid LIMIT :limit";

const REMOVE_RECORD: &str = "DELETE FROM records WHERE rowid = :item";

/// Includes damaged letters. Values are read as bytes, because they may contain anything.
const OLDEST_LETTERS: &str = "
    SELECT seq,
        stored_at_us < :cutoff
            AND (leased_until_us IS NULL OR leased_until_us <= :now OR leased_at_us > :now),
        stored_at_us BETWEEN :cutoff AND :now,
        CAST(letter_id AS BLOB), CAST(id AS BLOB), CAST(peer AS BLOB)
    FROM dead_letters WHERE twin = :twin AND seq > :after ORDER BY seq LIMIT :limit";

pub(super) const REMOVE_LETTER: &str = "DELETE FROM dead_letters WHERE seq = :item";

/// The number of removed rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Records.
    pub records: u64,
    /// Dead letters; each is named in a system error.
    pub letters: u64,
}

/// A row that was examined. It may be neither old nor young, because it is another twin's, leased, or stored at a time in
/// the future.
struct Looked {
    item: i64,
    /// It must be removed.
    old: bool,
    /// It is kept only because of its age: those stored after it are younger.
    young: bool,
}

/// The result of a batch.
struct Batch {
    /// The last row that was examined; `None` if there are no more, or the next ones are too young.
    after: Option<i64>,
    removed: u64,
}

impl Local {
    /// Removes data that is too old, periodically, until the folder is closed. It begins when the clock has run correctly
    /// for one period, and pauses while the clock is ahead of the time that has passed.
    pub fn retention(&self) -> impl Future<Output = ()> + Send + use<> {
        let started = Monotonic::now();
        let mut trusted = self.0.reading(started);
        let mut doubted = false;
        let store = Arc::downgrade(&self.0);
        async move {
            loop {
                sleep(PAUSE).await;
                let Some(store) = store.upgrade() else {
                    return;
                };
                let now = store.reading(started);
                match judge(trusted, now) {
                    Judgement::Steady => {
                        (trusted, doubted) = (now, false);
                        store.expire_and_tell().await;
                    }
                    Judgement::Ahead(by) if !doubted => {
                        doubted = true;
                        tracing::error!(
                            ahead_seconds = by.as_secs(),
                            "the clock jumped ahead: nothing is removed for its age until it is set back, or has been ahead for a day"
                        );
                    }
                    Judgement::Ahead(_) => {}
                }
            }
        }
    }

    /// Removes the data that is too old now.
    ///
    /// # Errors
    /// If the store cannot be written. What was removed before that stays removed.
    pub async fn expire(&self) -> Result<Expired, Failure> {
        self.0.expire().await
    }
}

impl Store {
    fn reading(&self, started: Monotonic) -> Reading {
        Reading {
            clock: (self.clock)(),
            running: started.elapsed(),
        }
    }

    async fn expire_and_tell(&self) {
        match self.expire().await {
            Ok(expired) if expired == Expired::default() => {}
            Ok(Expired { records, letters }) => {
                tracing::info!(records, letters, "removed old data");
            }
            Err(failure) => tracing::error!(?failure, "old data could not be removed"),
        }
    }

    async fn expire(&self) -> Result<Expired, Failure> {
        let settings = self.settings;
        let mut expired = Expired::default();
        if let Some(age) = settings.record_age {
            expired.records = self
                .each_batch(move |session, after| records(session, after, age))
                .await?;
        }
        if let Some(age) = settings.letter_age {
            expired.letters = self
                .each_batch(move |session, after| letters(session, after, age))
                .await?;
        }
        while self.writer.mark(give_back).await? {
            sleep(BREATH).await;
        }
        Ok(expired)
    }

    async fn each_batch(
        &self,
        batch: impl Fn(&Session<'_>, i64) -> rusqlite::Result<Batch> + Copy + Send + 'static,
    ) -> Result<u64, Failure> {
        let (mut after, mut removed) = (i64::MIN, 0);
        loop {
            let done = self
                .writer
                .mark(move |session| batch(session, after))
                .await?;
            removed += done.removed;
            match done.after {
                Some(last) => after = last,
                None => return Ok(removed),
            }
            sleep(BREATH).await;
        }
    }
}

fn cutoff(session: &Session<'_>, age: Duration) -> Instant {
    earlier(session.now(), age)
}

fn records(session: &Session<'_>, after: i64, age: Duration) -> rusqlite::Result<Batch> {
    let rows: Vec<Looked> = {
        let mut statement = session.connection.prepare_cached(OLDEST_RECORDS)?;
        let rows = statement.query_map(
            named_params! {
                ":twin": session.twin(),
                ":now": session.now(),
                ":cutoff": cutoff(session, age),
                ":after": after,
                ":limit": RECORDS,
            },
            Looked::read,
        )?;
        rows.collect::<Result<_, _>>()?
    };
    for row in rows.iter().filter(|row| row.old) {
        remove(session, REMOVE_RECORD, Kind::Record, row.item)?;
    }
    Ok(Batch::of(&rows, RECORDS))
}

fn letters(session: &Session<'_>, after: i64, age: Duration) -> rusqlite::Result<Batch> {
    let mut rows = Vec::new();
    let mut named: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
    {
        let mut statement = session.connection.prepare_cached(OLDEST_LETTERS)?;
        let mut found = statement.query(named_params! {
            ":twin": session.twin(),
            ":now": session.now(),
            ":cutoff": cutoff(session, age),
            ":after": after,
            ":limit": LETTERS,
        })?;
        while let Some(row) = found.next()? {
            let text = |column| -> rusqlite::Result<String> {
                let bytes: Vec<u8> = row.get(column)?;
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            };
            let looked = Looked::read(row)?;
            if looked.old {
                let letter = json!({"letter_id": text(3)?, "id": text(4)?});
                named.entry(text(5)?).or_default().push(letter);
            }
            rows.push(looked);
        }
    }
    for row in rows.iter().filter(|row| row.old) {
        remove(session, REMOVE_LETTER, Kind::Letter, row.item)?;
    }
    // In the same transaction, so no letter is removed without a report.
    for (peer, letters) in named {
        error_topic::publish(session, &expired(session, &peer, &letters, age))?;
    }
    Ok(Batch::of(&rows, LETTERS))
}

/// Removes a row, whether it is damaged or not.
pub(super) fn remove(
    session: &Session<'_>,
    how: &str,
    kind: Kind,
    item: i64,
) -> rusqlite::Result<()> {
    session.execute(how, named_params! { ":item": item })?;
    damage::forget(session, kind, item)
}

fn expired(
    session: &Session<'_>,
    peer: &str,
    letters: &[serde_json::Value],
    age: Duration,
) -> SystemError {
    let (count, days) = (letters.len(), age.as_secs() / 86_400);
    let cloud = session.database.settings.cloud;
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
        timestamp: Timestamp::from_micros(session.now()).to_string(),
        raw_data: Some(list),
    }
}

impl Looked {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            item: row.get(0)?,
            old: row.get(1)?,
            young: row.get(2)?,
        })
    }
}

impl Batch {
    /// The result for rows that were examined, oldest first. All rows after a young one are also young; one that is neither
    /// old nor young says nothing about the rows after it.
    fn of(rows: &[Looked], limit: u32) -> Self {
        let more = rows.len() == limit as usize;
        let last = rows.last().filter(|last| more && !last.young);
        Self {
            after: last.map(|last| last.item),
            removed: rows.iter().filter(|row| row.old).count() as u64,
        }
    }
}

/// Gives some of the free pages back to the disk. True if there are more.
pub(super) fn give_back(session: &Session<'_>) -> rusqlite::Result<bool> {
    let pages = |name: &str| -> rusqlite::Result<u32> {
        session
            .connection
            .pragma_query_value(None, name, |row| row.get(0))
    };
    let free = pages("freelist_count")?;
    if free <= KEPT_PAGES {
        return Ok(false);
    }
    let vacuum = format!("PRAGMA incremental_vacuum({GIVEN_PAGES})");
    let mut statement = session.connection.prepare_cached(&vacuum)?;
    let mut steps = statement.query([])?;
    while steps.next()?.is_some() {}
    // A database of an earlier version keeps its pages until `twin data compact` rewrites it.
    Ok(pages("freelist_count")? < free)
}
