//! `dead-letter-replay`: listing letters, and leasing them by an UPDATE that only one caller's WHERE clause matches.

use spin_sdk::sqlite::Value;
use twin_adapter::{
    Failure,
    bindings::dead_letter_replay::{Guest, Lease, Page, StoredLetter},
    clock,
};
use twin_contract::Fill;

use crate::{
    Adapter,
    database::{Database, optional, text},
    letters::{read, select_letters},
};

const LIST: &str = select_letters!("AND seq > ?2 ORDER BY seq LIMIT ?3");

const GET: &str = select_letters!("AND letter_id = ?2");

const FREE: &str = select_letters!(
    "AND (leased_until_us IS NULL OR leased_until_us <= ?2) AND (?3 IS NULL OR letter_id = ?3)
     ORDER BY seq LIMIT ?4"
);

const LEASE: &str = "
    UPDATE dead_letters SET receipt = ?3, leased_until_us = ?4
    WHERE twin = ?1 AND seq = ?2 AND (leased_until_us IS NULL OR leased_until_us <= ?5)
    RETURNING seq";

const SETTLE: &str = "
    DELETE FROM dead_letters WHERE twin = ?1 AND letter_id = ?2 AND receipt = ?3 RETURNING seq";

const RELEASE: &str = "
    UPDATE dead_letters SET receipt = NULL, leased_until_us = NULL
    WHERE twin = ?1 AND letter_id = ?2 AND receipt = ?3 RETURNING seq";

impl Guest for Adapter {
    async fn list(cursor: Option<String>, limit: u32) -> Result<Page, Failure> {
        let database = Database::open().await?;
        let after: i64 = cursor.and_then(|seq| seq.parse().ok()).unwrap_or(0);
        let limit = limit.max(1);
        let parameters = [Value::Integer(after), most(limit)];
        let (letters, more) = page(&database, LIST, parameters, limit).await?;
        let last = letters.last().filter(|_| more);
        Ok(Page {
            next: last.map(|(seq, _)| seq.to_string()),
            letters: letters.into_iter().map(|(_, letter)| letter).collect(),
        })
    }

    async fn get(letter_id: String) -> Result<Option<StoredLetter>, Failure> {
        let database = Database::open().await?;
        let row = database.first(GET, [text(letter_id)]).await?;
        row.map(|row| read(&row).map(|(_, letter)| letter))
            .transpose()
    }

    async fn take(
        letter_id: Option<String>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Vec<Lease>, Failure> {
        let database = Database::open().await?;
        let now = clock::now();
        let wanted = optional(letter_id);
        let parameters = [Value::Integer(now), wanted, most(limit)];
        let (free, _) = page(&database, FREE, parameters, limit).await?;
        let mut leases = Vec::with_capacity(free.len());
        for (seq, StoredLetter { letter, .. }) in free {
            let receipt = clock::unique();
            let parameters = [
                Value::Integer(seq),
                text(receipt.clone()),
                Value::Integer(clock::later(now, lease_ms)),
                Value::Integer(now),
            ];
            // No row: somebody else was faster.
            if database.first(LEASE, parameters).await?.is_some() {
                leases.push(Lease { letter, receipt });
            }
        }
        Ok(leases)
    }

    async fn settle(letter_id: String, receipt: String) -> Result<bool, Failure> {
        give_up(SETTLE, letter_id, receipt).await
    }

    async fn release(letter_id: String, receipt: String) -> Result<bool, Failure> {
        give_up(RELEASE, letter_id, receipt).await
    }
}

async fn give_up(statement: &str, letter_id: String, receipt: String) -> Result<bool, Failure> {
    let database = Database::open().await?;
    let row = database
        .first(statement, [text(letter_id), text(receipt)])
        .await?;
    Ok(row.is_some())
}

/// The letters that a statement finds, as far as they fit on a page, with their numbers; and whether more follow.
async fn page(
    database: &Database,
    statement: &str,
    parameters: impl IntoIterator<Item = Value>,
    limit: u32,
) -> Result<(Vec<(i64, StoredLetter)>, bool), Failure> {
    let mut page = Fill::new(limit);
    let mut rows = database.run(statement, parameters).await?;
    while let Some(row) = rows.next().await {
        let (seq, letter) = read(&row)?;
        let bytes = letter.letter.envelope.len();
        if !page.push((seq, letter), bytes) {
            return Ok(page.finish());
        }
    }
    rows.finish().await?;
    Ok(page.finish())
}

/// One beyond the page tells whether more follow.
fn most(limit: u32) -> Value {
    Value::Integer(i64::from(limit) + 1)
}
