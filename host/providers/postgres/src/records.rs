//! `records` in PostgreSQL: one table, whose primary key is the identity; an index provides the order. Storing is in `put`.

use std::borrow::Cow;

use async_trait::async_trait;
use tokio_postgres::Row;
use twin_capabilities::{
    Failure, Records,
    provider::{Fill, MAX_RECORDS, Span, span},
    records::{Entry, Order, Outcome, Page, Selection, StoredEntry},
};

use crate::{
    Store,
    connection::Session,
    damage::Kind,
    error::Trouble,
    pool::Work,
    put::Put,
    seal::{Checked, check, holds},
    text::Text,
};

/// A page of rows: as many as requested, or up to the row after the one that exceeds a mebibyte of bodies; that row shows
/// that more follow.
macro_rules! select_page {
    ($order:literal) => {
        concat!(
            "SELECT device_id, time_us, id, body, stored_at_us, seal FROM (
                SELECT *, sum(octet_length(body)) OVER (ORDER BY ",
            $order,
            "
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING) AS before
                FROM (
                    SELECT device_id, time_us, id, body, stored_at_us, seal FROM twin.records
                    WHERE twin = $1 AND collection = $2 AND device_id = $3
                        AND (time_us, id) >= ($4, $5) AND (time_us, id) < ($6, $7)
                    ORDER BY ",
            $order,
            " LIMIT $8) AS asked) AS sized
            WHERE coalesce(before, 0) <= 1048576 ORDER BY ",
            $order
        )
    };
}

const OLDEST_FIRST: &str = select_page!("time_us, id");

const NEWEST_FIRST: &str = select_page!("time_us DESC, id DESC");

#[async_trait]
impl Records for Store {
    async fn put(&self, collection: String, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>> {
        let put = |entry| Put::new(&collection, entry);
        self.puts
            .write(entries.into_iter().map(put).collect())
            .await
    }

    async fn query(&self, collection: String, selection: Selection) -> Result<Page, Failure> {
        let Some(span) = span(&selection) else {
            return Ok(Page {
                entries: Vec::new(),
                more: false,
            });
        };
        let ask = Ask {
            collection,
            selection,
            span,
        };
        let (page, damaged) = self.reads.again(ask).await?;
        self.report(Kind::Record, damaged).await;
        Ok(page)
    }
}

/// The values that a record's seal covers: those by which it is found and served.
pub(crate) const fn parts<'a>(time: &'a [u8], id: &'a str, body: &'a [u8]) -> [&'a [u8]; 3] {
    [time, id.as_bytes(), body]
}
/// The key of a record in the table of damage.
fn item(collection: &str, row: &Row) -> String {
    let text = |column| -> String {
        let text = row.try_get::<_, Text<'static>>(column);
        text.map(|text| text.0.into_owned()).unwrap_or_default()
    };
    serde_json::json!([collection, text("device_id"), text("id")]).to_string()
}

/// Reads a row as a record, if it is undamaged.
pub(crate) fn check_row(collection: &str, row: &Row) -> Checked<StoredEntry> {
    check(item(collection, row), || {
        let entry = StoredEntry {
            time: row.try_get("time_us")?,
            id: row.try_get::<_, Text<'static>>("id")?.0.into_owned(),
            body: row.try_get("body")?,
            stored_at: row.try_get("stored_at_us")?,
        };
        let time = entry.time.to_le_bytes();
        Ok(holds(row, parts(&time, &entry.id, &entry.body))?.then_some(entry))
    })
}

/// A query.
struct Ask {
    collection: String,
    selection: Selection,
    span: Span,
}

impl Work for Ask {
    type Output = (Page, Vec<String>);

    async fn run(&self, session: &Session) -> Result<Self::Output, Trouble> {
        let limit = self.selection.limit.clamp(1, MAX_RECORDS);
        let mut page = Fill::new(limit);
        let mut damaged = Vec::new();
        let mut span = Cow::Borrowed(&self.span);
        loop {
            let rows = self.rows(session, &span, limit).await?;
            let before = damaged.len();
            let mut done = false;
            for row in &rows {
                match check_row(&self.collection, row) {
                    Checked::Whole(entry) => {
                        let bytes = entry.body.len();
                        done = !page.push(entry, bytes);
                    }
                    Checked::Damaged(item) => damaged.push(item),
                }
                if done {
                    break;
                }
            }
            // Without damaged rows, a page that is not full is the last.
            let last = rows.last().filter(|_| !done && damaged.len() > before);
            match last
                .map(|row| behind(row, &span, self.selection.order))
                .transpose()?
            {
                Some(rest) => span = Cow::Owned(rest),
                None => break,
            }
        }
        let (entries, more) = page.finish();
        Ok((Page { entries, more }, damaged))
    }
}

/// The part of a span after a row.
fn behind(row: &Row, span: &Span, order: Order) -> Result<Span, Trouble> {
    let time = row.try_get("time_us")?;
    let id = row.try_get::<_, Text<'static>>("id")?.0.into_owned();
    let mut rest = span.clone();
    match order {
        Order::OldestFirst => rest.from = (time, format!("{id}\0")),
        Order::NewestFirst => rest.to = (time, id),
    }
    Ok(rest)
}

impl Ask {
    async fn rows(&self, session: &Session, span: &Span, limit: u32) -> Result<Vec<Row>, Trouble> {
        // Ids have no control characters, so U+0001 works as well as NUL, which PostgreSQL does not accept.
        let bound = |id: &str| id.replace('\0', "\u{1}");
        let sql = match self.selection.order {
            Order::OldestFirst => OLDEST_FIRST,
            Order::NewestFirst => NEWEST_FIRST,
        };
        session
            .rows(
                sql,
                &[
                    &Text::from(session.twin()),
                    &Text::from(&self.collection),
                    &Text::from(&self.selection.device_id),
                    &span.from.0,
                    &bound(&span.from.1),
                    &span.to.0,
                    &bound(&span.to.1),
                    &i64::from(limit.saturating_add(1)),
                ],
            )
            .await
    }
}
