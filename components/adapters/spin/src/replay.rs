//! `dead-letter-replay`: listing letters, and leasing them by an UPDATE that only one caller's WHERE clause matches.

use spin_sdk::sqlite::Value;
use twin_adapter::{
    Failure,
    bindings::dead_letter_replay::{
        Guest, Lease, Page, Place, PreviewPage, Selection, StoredLetter, Summary, Taken,
    },
    clock,
};
use twin_contract::Fill;

use crate::{
    Adapter,
    database::{Database, optional, text},
    letters::{Kept, read, select_letters},
};

const LIST: &str = select_letters!("AND seq > ?2 ORDER BY seq LIMIT ?3");

const GET: &str = select_letters!("AND letter_id = ?2");

/// Which letters may be taken, and in which order; [`selected`] gives the parameters.
macro_rules! free {
    ($conditions:literal) => {
        concat!(
            "AND (leased_until_us IS NULL OR leased_until_us <= ?2 OR leased_at_us > ?3)
             AND (?4 IS NULL OR letter_id = ?4)
             AND (?5 IS NULL OR peer = ?5)
             AND (?6 IS NULL OR stored_at_us < ?6) ",
            $conditions,
            " ORDER BY turn, letter_id LIMIT ?7"
        )
    };
}

const PREVIEW: &str = concat!(
    "SELECT letter_id, id, peer, stored_at_us, turn FROM dead_letters WHERE twin = ?1 ",
    free!("AND (turn, letter_id) > (?8, ?9)")
);

const FREE: &str = concat!(select_letters!(""), free!("AND turn <= ?8"));

const LAST_TURN: &str = "SELECT coalesce(max(turn), 0) FROM dead_letters WHERE twin = ?1";

const LEASE: &str = "
    UPDATE dead_letters SET receipt = ?3, leased_at_us = ?5, leased_until_us = ?4,
        turn = (SELECT min(max(max(turn), ?6), 9223372036854775806) + 1
            FROM dead_letters WHERE twin = ?1)
    WHERE twin = ?1 AND seq = ?2
        AND (leased_until_us IS NULL OR leased_until_us <= ?5 OR leased_at_us > ?7)
    RETURNING seq";

const SETTLE: &str = "
    DELETE FROM dead_letters WHERE twin = ?1 AND letter_id = ?2 AND receipt = ?3 RETURNING seq";

const RELEASE: &str = "
    UPDATE dead_letters SET receipt = NULL, leased_until_us = NULL, turn = min(coalesce(?4, turn), turn)
    WHERE twin = ?1 AND letter_id = ?2 AND receipt = ?3 RETURNING seq";

impl Guest for Adapter {
    async fn list(after: Option<Place>, limit: u32) -> Result<Page, Failure> {
        let database = Database::open().await?;
        let after = after.map_or(0, |place| place.number);
        let limit = limit.max(1);
        let parameters = [number(after), most(limit)];
        let (letters, more) = page(&database, LIST, parameters, limit).await?;
        let next = letters.last().filter(|_| more).map(|last| Place {
            number: last.seq.unsigned_abs(),
            letter_id: last.stored.letter.letter_id.clone(),
        });
        Ok(Page {
            next,
            letters: letters.into_iter().map(|kept| kept.stored).collect(),
        })
    }

    async fn get(letter_id: String) -> Result<Option<StoredLetter>, Failure> {
        let database = Database::open().await?;
        let row = database.first(GET, [text(letter_id)]).await?;
        row.map(|row| read(&row).map(|kept| kept.stored))
            .transpose()
    }

    async fn preview(
        selection: Selection,
        after: Option<Place>,
        limit: u32,
    ) -> Result<PreviewPage, Failure> {
        let database = Database::open().await?;
        let limit = limit.max(1);
        let (after, letter_id) =
            after.map_or((0, String::new()), |place| (place.number, place.letter_id));
        let parameters = selected(selection, limit)
            .into_iter()
            .chain([number(after), text(letter_id)]);
        let mut rows = database.run(PREVIEW, parameters).await?;
        let mut page = Fill::new(limit);
        while let Some(row) = rows.next().await {
            let summary = Summary {
                letter_id: row.text(0)?,
                id: row.text(1)?,
                peer: row.text(2)?,
                stored_at: row.get(3)?,
            };
            let turn: i64 = row.get(4)?;
            page.push((turn, summary), 0);
        }
        rows.finish().await?;
        let (letters, more) = page.finish();
        let next = letters.last().filter(|_| more).map(|(turn, last)| Place {
            number: turn.unsigned_abs(),
            letter_id: last.letter_id.clone(),
        });
        Ok(PreviewPage {
            next,
            letters: letters.into_iter().map(|(_, summary)| summary).collect(),
        })
    }

    async fn take(
        selection: Selection,
        round: Option<u64>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Taken, Failure> {
        let database = Database::open().await?;
        let now = clock::now();
        // A caller's round number is limited to those that the store has issued.
        let last_turn = last_turn(&database).await?;
        let round = round.map_or(last_turn, |round| round.min(last_turn));
        let parameters = selected(selection, limit)
            .into_iter()
            .chain([number(round)]);
        let (free, more) = page(&database, FREE, parameters, limit).await?;
        let mut leases = Vec::with_capacity(free.len());
        for Kept { seq, turn, stored } in free {
            let receipt = clock::unique();
            let parameters = [
                Value::Integer(seq),
                text(receipt.clone()),
                Value::Integer(clock::later(now, lease_ms)),
                Value::Integer(now),
                // The last letter of the round may be gone by now, but letters that are taken must still come after it.
                number(round),
                Value::Integer(clock::latest_start(now)),
            ];
            // No row: another replay took it first.
            if database.first(LEASE, parameters).await?.is_some() {
                leases.push(Lease {
                    letter: stored.letter,
                    receipt,
                    turn: turn.unsigned_abs(),
                });
            }
        }
        Ok(Taken {
            leases,
            round,
            more,
        })
    }

    async fn take_damaged(_letter_id: String, _lease_ms: u32) -> Result<Option<Lease>, Failure> {
        // Rows in this store have no digest.
        Ok(None)
    }

    async fn settle(letter_id: String, receipt: String) -> Result<bool, Failure> {
        let database = Database::open().await?;
        let parameters = [text(letter_id), text(receipt)];
        let row = database.first(SETTLE, parameters).await?;
        Ok(row.is_some())
    }

    async fn release(
        letter_id: String,
        receipt: String,
        turn: Option<u64>,
    ) -> Result<bool, Failure> {
        let database = Database::open().await?;
        let turn = turn.map_or(Value::Null, number);
        let parameters = [text(letter_id), text(receipt), turn];
        let row = database.first(RELEASE, parameters).await?;
        Ok(row.is_some())
    }
}

async fn last_turn(database: &Database) -> Result<u64, Failure> {
    let row = database.first(LAST_TURN, []).await?;
    let turn: i64 = match &row {
        Some(row) => row.get(0)?,
        None => 0,
    };
    Ok(turn.unsigned_abs())
}

/// The parameters of a statement with [`free`], from `?2` on.
fn selected(selection: Selection, limit: u32) -> [Value; 6] {
    let now = clock::now();
    [
        Value::Integer(now),
        Value::Integer(clock::latest_start(now)),
        optional(selection.letter_id),
        optional(selection.peer),
        selection.before.map_or(Value::Null, Value::Integer),
        most(limit),
    ]
}

/// The letters that a statement returns, as many as fit on a page, and whether more follow.
async fn page(
    database: &Database,
    statement: &str,
    parameters: impl IntoIterator<Item = Value>,
    limit: u32,
) -> Result<(Vec<Kept>, bool), Failure> {
    let mut page = Fill::new(limit);
    let mut rows = database.run(statement, parameters).await?;
    while let Some(row) = rows.next().await {
        let kept = read(&row)?;
        let bytes = kept.stored.letter.envelope.len();
        if !page.push(kept, bytes) {
            return Ok(page.finish());
        }
    }
    rows.finish().await?;
    Ok(page.finish())
}

/// One letter more than the page shows whether more follow.
fn most(limit: u32) -> Value {
    Value::Integer(i64::from(limit) + 1)
}

/// A number as SQLite stores it. Larger ones sort after all that it issues; adding one to the result must not yield a float.
fn number(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX).min(i64::MAX - 1))
}
