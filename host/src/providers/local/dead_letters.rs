//! `dead-letters` and `dead-letter-replay` in a data folder: one table, in the order in which letters came.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Params, Row, named_params};

use super::{Store, columns::Attempts, session::Session};
use crate::{
    bindings::{
        dead_letter_replay::{Lease, Page, StoredLetter},
        dead_letters::Letter,
        types::{Failure, Instant},
    },
    providers::{DeadLetters, clock::later, paging::fill, receipt::receipt},
};

const PUSH: &str = "
    INSERT INTO dead_letters
        (twin, letter_id, id, peer, trace_id, envelope, attempts,
         first_failure_us, last_failure_us, stored_at_us)
    VALUES
        (:twin, :letter_id, :id, :peer, :trace_id, :envelope, :attempts,
         :first_failure, :last_failure, :now)
    ON CONFLICT (twin, letter_id) DO NOTHING";

const LIST: &str = "SELECT * FROM dead_letters WHERE twin = :twin AND seq > :after ORDER BY seq";

const GET: &str = "SELECT * FROM dead_letters WHERE twin = :twin AND letter_id = :letter_id";

const FREE: &str = "
    SELECT * FROM dead_letters
    WHERE twin = :twin AND (leased_until_us IS NULL OR leased_until_us <= :now)
    ORDER BY seq";

const FREE_ONE: &str = "
    SELECT * FROM dead_letters
    WHERE twin = :twin AND letter_id = :letter_id AND (leased_until_us IS NULL OR leased_until_us <= :now)";

const LEASE: &str = "
    UPDATE dead_letters SET receipt = :receipt, leased_until_us = :until WHERE seq = :seq";

const SETTLE: &str = "
    DELETE FROM dead_letters
    WHERE twin = :twin AND letter_id = :letter_id AND receipt = :receipt";

const RELEASE: &str = "
    UPDATE dead_letters SET receipt = NULL, leased_until_us = NULL
    WHERE twin = :twin AND letter_id = :letter_id AND receipt = :receipt";

#[async_trait]
impl DeadLetters for Store {
    async fn push(&self, letter: Letter) -> Result<(), Failure> {
        self.writer.run(move |session| push(session, letter)).await
    }

    async fn list(&self, cursor: Option<String>, limit: u32) -> Result<Page, Failure> {
        self.readers
            .run(move |session| list(session, cursor.as_deref(), limit))
            .await
    }

    async fn get(&self, letter_id: String) -> Result<Option<StoredLetter>, Failure> {
        self.readers
            .run(move |session| {
                let now = session.now();
                session.find(
                    GET,
                    named_params! { ":twin": session.twin(), ":letter_id": letter_id },
                    |row| Ok(Kept::read(row)?.stored(now)),
                )
            })
            .await
    }

    async fn take(
        &self,
        letter_id: Option<String>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Vec<Lease>, Failure> {
        let duration = Duration::from_millis(lease_ms.into());
        self.writer
            .run(move |session| take(session, letter_id.as_deref(), limit, duration))
            .await
    }

    async fn settle(&self, letter_id: String, receipt: String) -> Result<bool, Failure> {
        self.writer
            .run(move |session| give_up(session, SETTLE, &letter_id, &receipt))
            .await
    }

    async fn release(&self, letter_id: String, receipt: String) -> Result<bool, Failure> {
        self.writer
            .run(move |session| give_up(session, RELEASE, &letter_id, &receipt))
            .await
    }
}

fn push(session: &Session<'_>, letter: Letter) -> rusqlite::Result<()> {
    session.execute(
        PUSH,
        named_params! {
            ":twin": session.twin(),
            ":letter_id": letter.letter_id,
            ":id": letter.id,
            ":peer": letter.peer,
            ":trace_id": letter.trace_id,
            ":envelope": letter.envelope,
            ":attempts": Attempts(letter.attempts),
            ":first_failure": letter.first_failure_at,
            ":last_failure": letter.last_failure_at,
            ":now": session.now(),
        },
    )?;
    Ok(())
}

fn list(session: &Session<'_>, cursor: Option<&str>, limit: u32) -> rusqlite::Result<Page> {
    let after: i64 = cursor.and_then(|seq| seq.parse().ok()).unwrap_or(0);
    let now = session.now();
    let (kept, more) = session.letters(
        LIST,
        named_params! { ":twin": session.twin(), ":after": after },
        limit.max(1),
    )?;
    let next = kept
        .last()
        .filter(|_| more)
        .map(|last| last.seq.to_string());
    let letters = kept.into_iter().map(|kept| kept.stored(now)).collect();
    Ok(Page { letters, next })
}

fn take(
    session: &Session<'_>,
    letter_id: Option<&str>,
    limit: u32,
    duration: Duration,
) -> rusqlite::Result<Vec<Lease>> {
    let (twin, now) = (session.twin(), session.now());
    let (free, _) = match letter_id {
        Some(letter_id) => session.letters(
            FREE_ONE,
            named_params! { ":twin": twin, ":letter_id": letter_id, ":now": now },
            limit,
        ),
        None => session.letters(FREE, named_params! { ":twin": twin, ":now": now }, limit),
    }?;
    free.into_iter()
        .map(|kept| {
            let receipt = receipt();
            session.execute(
                LEASE,
                named_params! {
                    ":receipt": receipt,
                    ":until": later(now, duration),
                    ":seq": kept.seq,
                },
            )?;
            Ok(Lease {
                letter: kept.letter,
                receipt,
            })
        })
        .collect()
}

fn give_up(
    session: &Session<'_>,
    how: &str,
    letter_id: &str,
    receipt: &str,
) -> rusqlite::Result<bool> {
    let given_up = session.execute(
        how,
        named_params! { ":twin": session.twin(), ":letter_id": letter_id, ":receipt": receipt },
    )?;
    Ok(given_up > 0)
}

impl Session<'_> {
    /// A page of the letters that a query finds, and whether more follow.
    fn letters(
        &self,
        sql: &str,
        parameters: impl Params,
        limit: u32,
    ) -> rusqlite::Result<(Vec<Kept>, bool)> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(parameters, Kept::read)?;
        fill(rows, limit, |kept| kept.letter.envelope.len())
    }
}

/// A row of the table.
struct Kept {
    seq: i64,
    letter: Letter,
    stored_at: Instant,
    leased_until: Option<Instant>,
}

impl Kept {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get("seq")?,
            letter: Letter {
                letter_id: row.get("letter_id")?,
                id: row.get("id")?,
                peer: row.get("peer")?,
                trace_id: row.get("trace_id")?,
                envelope: row.get("envelope")?,
                attempts: row.get::<_, Attempts>("attempts")?.0,
                first_failure_at: row.get("first_failure_us")?,
                last_failure_at: row.get("last_failure_us")?,
            },
            stored_at: row.get("stored_at_us")?,
            leased_until: row.get("leased_until_us")?,
        })
    }

    /// The letter as others may see it at this time.
    fn stored(self, now: Instant) -> StoredLetter {
        StoredLetter {
            letter: self.letter,
            stored_at: self.stored_at,
            leased_until: self.leased_until.filter(|until| *until > now),
        }
    }
}
