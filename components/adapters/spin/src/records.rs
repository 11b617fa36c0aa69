//! `records`: one table to which rows are appended, with indices for identity and order.

use spin_sdk::sqlite::Value;
use twin_adapter::{
    Failure,
    bindings::records::{Entry, Guest, Order, Outcome, Page, Selection, StoredEntry},
    clock,
    records::{limit, span},
};
use twin_contract::{Fill, Span};

use crate::{
    Adapter,
    database::{Database, Row, text},
};

const INSERT: &str = "
    INSERT INTO records
        (twin, collection, device_id, id, time_us, message_type, digest, body, stored_at_us)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
    ON CONFLICT (twin, collection, device_id, id) DO NOTHING RETURNING stored_at_us";

const FIND: &str = "
    SELECT digest, stored_at_us FROM records
    WHERE twin = ?1 AND collection = ?2 AND device_id = ?3 AND id = ?4";

const OLDEST_FIRST: &str = "
    SELECT time_us, id, body, stored_at_us FROM records
    WHERE twin = ?1 AND collection = ?2 AND device_id = ?3
      AND (time_us, id) >= (?4, ?5) AND (time_us, id) < (?6, ?7)
    ORDER BY time_us, id LIMIT ?8";

const NEWEST_FIRST: &str = "
    SELECT time_us, id, body, stored_at_us FROM records
    WHERE twin = ?1 AND collection = ?2 AND device_id = ?3
      AND (time_us, id) >= (?4, ?5) AND (time_us, id) < (?6, ?7)
    ORDER BY time_us DESC, id DESC LIMIT ?8";

impl Guest for Adapter {
    async fn put(collection: String, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>> {
        let database = match Database::open().await {
            Ok(database) => database,
            Err(failure) => return vec![Err(failure); entries.len()],
        };
        let mut results = Vec::with_capacity(entries.len());
        for entry in entries {
            results.push(put(&database, &collection, entry).await);
        }
        results
    }

    async fn query(collection: String, selection: Selection) -> Result<Page, Failure> {
        let mut page = Fill::new(limit(&selection));
        if let Some(span) = span(&selection) {
            fill(&mut page, collection, selection, span).await?;
        }
        let (entries, more) = page.finish();
        Ok(Page { entries, more })
    }
}

async fn put(database: &Database, collection: &str, entry: Entry) -> Result<Outcome, Failure> {
    let now = clock::now();
    let identity = [text(collection), text(entry.device_id), text(entry.id)];
    let values = [
        Value::Integer(entry.time),
        text(entry.message_type),
        text(entry.digest.clone()),
        Value::Blob(entry.body),
        Value::Integer(now),
    ];
    let parameters = identity.clone().into_iter().chain(values);
    if database.first(INSERT, parameters).await?.is_some() {
        return Ok(Outcome::Stored(now));
    }
    let row = database.first(FIND, identity).await?;
    let row = row.ok_or_else(|| Failure::Unavailable("the record has just gone".to_owned()))?;
    if row.text(0)? == entry.digest {
        Ok(Outcome::Duplicate(row.get(1)?))
    } else {
        Ok(Outcome::Conflict)
    }
}

async fn fill(
    page: &mut Fill<StoredEntry>,
    collection: String,
    selection: Selection,
    span: Span,
) -> Result<(), Failure> {
    let database = Database::open().await?;
    let statement = match selection.order {
        Order::OldestFirst => OLDEST_FIRST,
        Order::NewestFirst => NEWEST_FIRST,
    };
    // One record more than the page shows whether more follow.
    let most = i64::from(limit(&selection)) + 1;
    let parameters = [
        text(collection),
        text(selection.device_id),
        Value::Integer(span.from.0),
        text(span.from.1),
        Value::Integer(span.to.0),
        text(span.to.1),
        Value::Integer(most),
    ];
    let mut rows = database.run(statement, parameters).await?;
    while let Some(row) = rows.next().await {
        let entry = read(&row)?;
        let bytes = entry.body.len();
        if !page.push(entry, bytes) {
            return Ok(());
        }
    }
    rows.finish().await
}

fn read(row: &Row) -> Result<StoredEntry, Failure> {
    Ok(StoredEntry {
        time: row.get(0)?,
        id: row.text(1)?,
        body: row.blob(2)?,
        stored_at: row.get(3)?,
    })
}
