//! The interface `records` in a data folder: one table to which rows are appended, with an index for identity and one for
//! order.

use async_trait::async_trait;
use rusqlite::{Row, named_params};
use twin_capabilities::{
    Records,
    provider::{MAX_RECORDS, Span, fill, seal, span},
    records::{Entry, Order, Outcome, Page, Selection, StoredEntry},
    types::Failure,
};

use super::{
    Store,
    damage::{self, Kind},
    seal::{Checked, check, holds, whole},
    session::Session,
    writer::Need,
};

const INSERT: &str = "
    INSERT INTO records
        (twin, collection, device_id, id, time_us, message_type, digest, body, stored_at_us, seal)
    VALUES
        (:twin, :collection, :device_id, :id, :time, :message_type, :digest, :body, :now, :seal)
    ON CONFLICT (twin, collection, device_id, id) DO NOTHING";

const FIND: &str = "
    SELECT rowid, time_us, id, body, stored_at_us, seal, digest FROM records
    WHERE twin = :twin AND collection = :collection AND device_id = :device_id AND id = :id";

const REPAIR: &str = "
    UPDATE records SET time_us = :time, message_type = :message_type, body = :body, seal = :seal
    WHERE rowid = :item";

const OLDEST_FIRST: &str = "
    SELECT rowid, time_us, id, body, stored_at_us, seal FROM records
    WHERE twin = :twin AND collection = :collection AND device_id = :device_id
      AND (time_us, id) >= (:from_time, :from_id) AND (time_us, id) < (:to_time, :to_id)
    ORDER BY time_us, id";

const NEWEST_FIRST: &str = "
    SELECT rowid, time_us, id, body, stored_at_us, seal FROM records
    WHERE twin = :twin AND collection = :collection AND device_id = :device_id
      AND (time_us, id) >= (:from_time, :from_id) AND (time_us, id) < (:to_time, :to_id)
    ORDER BY time_us DESC, id DESC";

#[async_trait]
impl Records for Store {
    async fn put(&self, collection: String, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>> {
        let count = entries.len();
        // Computed here and not in the thread that writes, because there is only one.
        let seal = |entry: &Entry| seal(parts(&entry.time.to_le_bytes(), &entry.id, &entry.body));
        let seals: Vec<_> = entries.iter().map(seal).collect();
        let stored: Result<Vec<_>, _> = self
            .writer
            .run(Need::Room, move |session| {
                let sealed = entries.iter().zip(&seals);
                sealed
                    .map(|(entry, seal)| put(session, &collection, entry, seal))
                    .collect()
            })
            .await;
        // One transaction: either all are stored or none.
        match stored {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            Err(failure) => vec![Err(failure); count],
        }
    }

    async fn query(&self, collection: String, selection: Selection) -> Result<Page, Failure> {
        let Some(span) = span(&selection) else {
            return Ok(Page {
                entries: Vec::new(),
                more: false,
            });
        };
        let (page, damaged) = self
            .readers
            .run(move |session| query(session, &collection, &selection, &span))
            .await?;
        self.report(Kind::Record, damaged).await;
        Ok(page)
    }
}

/// The values that a record's seal covers: those by which it is found and served.
const fn parts<'a>(time: &'a [u8], id: &'a str, body: &'a [u8]) -> [&'a [u8]; 3] {
    [time, id.as_bytes(), body]
}

fn put(
    session: &Session<'_>,
    collection: &str,
    entry: &Entry,
    seal: &[u8],
) -> rusqlite::Result<Outcome> {
    let now = session.now();
    let inserted = session.execute(
        INSERT,
        named_params! {
            ":twin": session.twin(),
            ":collection": collection,
            ":device_id": entry.device_id,
            ":id": entry.id,
            ":time": entry.time,
            ":message_type": entry.message_type,
            ":digest": entry.digest,
            ":body": entry.body,
            ":now": now,
            ":seal": seal,
        },
    )?;
    if inserted > 0 {
        return Ok(Outcome::Stored(now));
    }
    let (digest, stored_at, before) = session.row(
        FIND,
        named_params! {
            ":twin": session.twin(),
            ":collection": collection,
            ":device_id": entry.device_id,
            ":id": entry.id,
        },
        |row| {
            let digest: String = row.get("digest")?;
            Ok((digest, row.get("stored_at_us")?, check_row(row)?))
        },
    )?;
    if digest != entry.digest {
        return Ok(Outcome::Conflict);
    }
    if let Checked::Damaged(item) = before {
        repair(session, item, entry, seal)?;
    }
    Ok(Outcome::Duplicate(stored_at))
}

/// Replaces a damaged record with the same message: what was acknowledged must be stored.
fn repair(session: &Session<'_>, item: i64, entry: &Entry, seal: &[u8]) -> rusqlite::Result<()> {
    session.execute(
        REPAIR,
        named_params! {
            ":item": item,
            ":time": entry.time,
            ":message_type": entry.message_type,
            ":body": entry.body,
            ":seal": seal,
        },
    )?;
    damage::forget(session, Kind::Record, item)
}

fn query(
    session: &Session<'_>,
    collection: &str,
    selection: &Selection,
    span: &Span,
) -> rusqlite::Result<(Page, Vec<i64>)> {
    let mut statement = session.connection.prepare_cached(match selection.order {
        Order::OldestFirst => OLDEST_FIRST,
        Order::NewestFirst => NEWEST_FIRST,
    })?;
    let (from_time, from_id) = &span.from;
    let (to_time, to_id) = &span.to;
    let rows = statement.query_map(
        named_params! {
            ":twin": session.twin(),
            ":collection": collection,
            ":device_id": selection.device_id,
            ":from_time": from_time,
            ":from_id": from_id,
            ":to_time": to_time,
            ":to_id": to_id,
        },
        check_row,
    )?;
    let limit = selection.limit.clamp(1, MAX_RECORDS);
    let mut damaged = Vec::new();
    let (entries, more) = fill(whole(rows, &mut damaged), limit, |entry| entry.body.len())?;
    Ok((Page { entries, more }, damaged))
}

/// Reads a row as a record, if it is undamaged.
pub(super) fn check_row(row: &Row<'_>) -> rusqlite::Result<Checked<StoredEntry>> {
    check(row.get("rowid")?, || read(row))
}

/// Reads a record; `None` if it is damaged.
fn read(row: &Row<'_>) -> rusqlite::Result<Option<StoredEntry>> {
    let entry = StoredEntry {
        time: row.get("time_us")?,
        id: row.get("id")?,
        body: row.get("body")?,
        stored_at: row.get("stored_at_us")?,
    };
    let time = entry.time.to_le_bytes();
    let whole = holds(row, parts(&time, &entry.id, &entry.body))?;
    Ok(whole.then_some(entry))
}
