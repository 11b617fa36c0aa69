//! The interfaces `dead-letters` and `dead-letter-replay` in a data folder: one table, in the order of storing.

use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Params, Row, named_params};
use twin_capabilities::{
    DeadLetters,
    dead_letters::{
        Lease, Letter, Page, Place, PreviewPage, Selection, StoredLetter, Summary, Taken,
    },
    provider::{fill, later, receipt, seal},
    types::{Failure, Instant},
};

use super::{
    Store,
    columns::Attempts,
    damage::{self, Kind},
    retention::{REMOVE_LETTER, remove},
    seal::{Checked, check, holds, whole},
    session::Session,
    writer::Need,
};

const PUSH: &str = "
    INSERT INTO dead_letters
        (twin, letter_id, id, peer, trace_id, envelope, attempts,
         first_failure_us, last_failure_us, stored_at_us, seal, turn)
    VALUES
        (:twin, :letter_id, :id, :peer, :trace_id, :envelope, :attempts,
         :first_failure, :last_failure, :now, :seal,
         (SELECT min(coalesce(max(turn), 0), 9223372036854775806) + 1
            FROM dead_letters WHERE twin = :twin))
    ON CONFLICT (twin, letter_id) DO NOTHING";

const LIST: &str = "SELECT * FROM dead_letters WHERE twin = :twin AND seq > :after ORDER BY seq";

const GET: &str = "SELECT * FROM dead_letters WHERE twin = :twin AND letter_id = :letter_id";

/// A query for the letters that can be leased, in the order of the queue, with the given columns and further conditions.
macro_rules! select_free {
    ($columns:literal, $conditions:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM dead_letters
             WHERE twin = :twin
                AND (leased_until_us IS NULL OR leased_until_us <= :now OR leased_at_us > :now)
                AND seq NOT IN (SELECT item FROM damage WHERE twin = :twin AND kind = 'letter')
                AND (:letter_id IS NULL OR letter_id = :letter_id)
                AND (:peer IS NULL OR peer = :peer)
                AND (:before IS NULL OR stored_at_us < :before) ",
            $conditions,
            " ORDER BY turn, letter_id"
        )
    };
}

const PREVIEW: &str = select_free!(
    "seq, letter_id, id, peer, stored_at_us, turn",
    "AND (turn, letter_id) > (:after, :after_letter)"
);

const FREE: &str = select_free!("*", "AND turn <= :round");

/// The same for one letter, by its id.
const FREE_ONE: &str = select_free!("*", "AND turn <= :round AND letter_id = :letter_id");

const LAST_TURN: &str = "SELECT coalesce(max(turn), 0) FROM dead_letters WHERE twin = :twin";

const LEASE: &str = "
    UPDATE dead_letters
    SET receipt = :receipt, leased_at_us = :now, leased_until_us = :until, turn = :turn
    WHERE seq = :seq";

const SETTLE: &str = "
    DELETE FROM dead_letters
    WHERE twin = :twin AND letter_id = :letter_id AND receipt = :receipt RETURNING seq";

/// The turn of a damaged letter, if it is not leased.
const FREE_DAMAGED: &str = "
    SELECT turn FROM dead_letters
    WHERE seq = :seq AND (leased_until_us IS NULL OR leased_until_us <= :now OR leased_at_us > :now)";

const RELEASE: &str = "
    UPDATE dead_letters SET receipt = NULL, leased_until_us = NULL, turn = min(coalesce(:turn, turn), turn)
    WHERE twin = :twin AND letter_id = :letter_id AND receipt = :receipt";

#[async_trait]
impl DeadLetters for Store {
    async fn push(&self, letter: Letter) -> Result<(), Failure> {
        self.writer
            .run(Need::Room, move |session| push(session, &letter))
            .await
    }

    async fn list(&self, after: Option<Place>, limit: u32) -> Result<Page, Failure> {
        let after = after.map_or(0, |place| place.number);
        let (page, damaged) = self
            .readers
            .run(move |session| list(session, after, limit))
            .await?;
        self.report(Kind::Letter, damaged).await;
        Ok(page)
    }

    async fn get(&self, letter_id: String) -> Result<Option<StoredLetter>, Failure> {
        let found = self
            .readers
            .run(move |session| {
                let now = session.now();
                let found = find(session, &letter_id)?;
                Ok(found.map(|found| found.map(|kept| kept.stored(now))))
            })
            .await?;
        match found {
            None => Ok(None),
            Some(Checked::Whole(letter)) => Ok(Some(letter)),
            Some(Checked::Damaged(number)) => {
                self.report(Kind::Letter, vec![number]).await;
                Err(Failure::Other("the letter is damaged".to_owned()))
            }
        }
    }

    async fn preview(
        &self,
        selection: Selection,
        after: Option<Place>,
        limit: u32,
    ) -> Result<PreviewPage, Failure> {
        let after = after.map_or((0, String::new()), |place| {
            (signed(place.number), place.letter_id)
        });
        let (page, damaged) = self
            .readers
            .run(move |session| preview(session, &selection, &after, limit))
            .await?;
        self.report(Kind::Letter, damaged).await;
        Ok(page)
    }

    async fn take(
        &self,
        selection: Selection,
        round: Option<u64>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Taken, Failure> {
        let duration = Duration::from_millis(lease_ms.into());
        let (taken, damaged) = self
            .writer
            .mark(move |session| take(session, &selection, round, limit, duration))
            .await?;
        self.report(Kind::Letter, damaged).await;
        Ok(taken)
    }

    async fn take_damaged(
        &self,
        letter_id: String,
        lease_ms: u32,
    ) -> Result<Option<Lease>, Failure> {
        let duration = Duration::from_millis(lease_ms.into());
        self.writer
            .mark(move |session| take_damaged(session, &letter_id, duration))
            .await
    }

    async fn settle(&self, letter_id: String, receipt: String) -> Result<bool, Failure> {
        self.writer
            .mark(move |session| {
                let settled: Option<i64> = session.find(
                    SETTLE,
                    named_params! {
                        ":twin": session.twin(), ":letter_id": letter_id, ":receipt": receipt,
                    },
                    |row| row.get(0),
                )?;
                if let Some(seq) = settled {
                    damage::forget(session, Kind::Letter, seq)?;
                }
                Ok(settled.is_some())
            })
            .await
    }

    async fn release(
        &self,
        letter_id: String,
        receipt: String,
        turn: Option<u64>,
    ) -> Result<bool, Failure> {
        self.writer
            .mark(move |session| {
                let released = session.execute(
                    RELEASE,
                    named_params! {
                        ":twin": session.twin(),
                        ":letter_id": letter_id,
                        ":receipt": receipt,
                        ":turn": turn.map(signed),
                    },
                )?;
                Ok(released > 0)
            })
            .await
    }
}

fn push(session: &Session<'_>, letter: &Letter) -> rusqlite::Result<()> {
    if insert(session, letter)? {
        return Ok(());
    }
    // An existing letter stays unchanged. If it is damaged it is replaced, because it could not be sent, but the new bytes
    // can.
    if let Some(Checked::Damaged(seq)) = find(session, &letter.letter_id)? {
        tracing::info!(seq, "a damaged letter was repaired");
        remove(session, REMOVE_LETTER, Kind::Letter, seq)?;
        insert(session, letter)?;
    }
    Ok(())
}

/// False if a letter with this id exists.
fn insert(session: &Session<'_>, letter: &Letter) -> rusqlite::Result<bool> {
    let inserted = session.execute(
        PUSH,
        named_params! {
            ":twin": session.twin(),
            ":letter_id": letter.letter_id,
            ":id": letter.id,
            ":peer": letter.peer,
            ":trace_id": letter.trace_id,
            ":envelope": letter.envelope,
            ":attempts": Attempts(letter.attempts.clone()),
            ":first_failure": letter.first_failure_at,
            ":last_failure": letter.last_failure_at,
            ":now": session.now(),
            ":seal": seal(parts(letter)),
        },
    )?;
    Ok(inserted > 0)
}

fn find(session: &Session<'_>, letter_id: &str) -> rusqlite::Result<Option<Checked<Kept>>> {
    session.find(
        GET,
        named_params! { ":twin": session.twin(), ":letter_id": letter_id },
        check_row,
    )
}

fn list(session: &Session<'_>, after: u64, limit: u32) -> rusqlite::Result<(Page, Vec<i64>)> {
    let now = session.now();
    let (kept, more, damaged) = session.letters(
        LIST,
        named_params! { ":twin": session.twin(), ":after": signed(after) },
        limit.max(1),
    )?;
    let next = kept.last().filter(|_| more).map(|last| Place {
        number: last.seq.unsigned_abs(),
        letter_id: last.letter.letter_id.clone(),
    });
    let letters = kept.into_iter().map(|kept| kept.stored(now)).collect();
    Ok((Page { letters, next }, damaged))
}

fn preview(
    session: &Session<'_>,
    selection: &Selection,
    (after, after_letter): &(i64, String),
    limit: u32,
) -> rusqlite::Result<(PreviewPage, Vec<i64>)> {
    let mut statement = session.connection.prepare_cached(PREVIEW)?;
    let rows = statement.query_map(
        named_params! {
            ":twin": session.twin(),
            ":now": session.now(),
            ":letter_id": selection.letter_id,
            ":peer": selection.peer,
            ":before": selection.before,
            ":after": after,
            ":after_letter": after_letter,
        },
        // Without the envelope only the types of a row's values can be checked.
        |row| check(row.get("seq")?, || summary(row).map(Some)),
    )?;
    let mut damaged = Vec::new();
    let (page, more) = fill(whole(rows, &mut damaged), limit.max(1), |_| 0)?;
    let next = page.last().filter(|_| more).map(|(turn, last)| Place {
        number: turn.unsigned_abs(),
        letter_id: last.letter_id.clone(),
    });
    let letters = page.into_iter().map(|(_, summary)| summary).collect();
    Ok((PreviewPage { letters, next }, damaged))
}

/// Reads a letter's turn and its summary.
fn summary(row: &Row<'_>) -> rusqlite::Result<(i64, Summary)> {
    let summary = Summary {
        letter_id: row.get("letter_id")?,
        id: row.get("id")?,
        peer: row.get("peer")?,
        stored_at: row.get("stored_at_us")?,
    };
    Ok((row.get("turn")?, summary))
}

fn take(
    session: &Session<'_>,
    selection: &Selection,
    round: Option<u64>,
    limit: u32,
    duration: Duration,
) -> rusqlite::Result<(Taken, Vec<i64>)> {
    let (twin, now) = (session.twin(), session.now());
    if round.is_none() {
        damage::check_letters_again(session)?;
    }
    let last = session.row(LAST_TURN, named_params! { ":twin": twin }, |row| row.get(0))?;
    // A caller's number is limited to the last one that was issued.
    let round = round.map_or(last, |round| signed(round).min(last));
    let mut turn = last;
    let free = match selection.letter_id {
        Some(_) => FREE_ONE,
        None => FREE,
    };
    let (free, more, damaged) = session.letters(
        free,
        named_params! {
            ":twin": twin,
            ":now": now,
            ":letter_id": selection.letter_id,
            ":peer": selection.peer,
            ":before": selection.before,
            ":round": round,
        },
        limit,
    )?;
    let mut leases = Vec::with_capacity(free.len());
    for kept in free {
        turn = turn.saturating_add(1);
        leases.push(Lease {
            receipt: lease(session, kept.seq, turn, now, duration)?,
            letter: kept.letter,
            turn: kept.turn.unsigned_abs(),
        });
    }
    let taken = Taken {
        leases,
        round: round.unsigned_abs(),
        more,
    };
    Ok((taken, damaged))
}

/// Leases a letter, gives it its new turn, and returns the receipt.
fn lease(
    session: &Session<'_>,
    seq: i64,
    turn: i64,
    now: Instant,
    duration: Duration,
) -> rusqlite::Result<String> {
    let receipt = receipt();
    session.execute(
        LEASE,
        named_params! {
            ":receipt": receipt,
            ":now": now,
            ":until": later(now, duration),
            ":turn": turn,
            ":seq": seq,
        },
    )?;
    Ok(receipt)
}

fn take_damaged(
    session: &Session<'_>,
    letter_id: &str,
    duration: Duration,
) -> rusqlite::Result<Option<Lease>> {
    let now = session.now();
    let Some(Checked::Damaged(seq)) = find(session, letter_id)? else {
        return Ok(None);
    };
    let free = named_params! { ":seq": seq, ":now": now };
    let Some(turn) = session.find(FREE_DAMAGED, free, |row| row.get::<_, i64>(0))? else {
        return Ok(None);
    };
    let Some(letter) = damage::remains_of_letter(session, seq)? else {
        return Ok(None);
    };
    Ok(Some(Lease {
        // A damaged letter's turn does not matter.
        receipt: lease(session, seq, turn, now, duration)?,
        letter,
        turn: turn.unsigned_abs(),
    }))
}

/// A number as SQLite stores it. A larger number becomes the maximum, which is beyond all that are issued.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Session<'_> {
    /// A page of the letters that a query finds and whether more follow, and the damaged rows.
    fn letters(
        &self,
        sql: &str,
        parameters: impl Params,
        limit: u32,
    ) -> rusqlite::Result<(Vec<Kept>, bool, Vec<i64>)> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map(parameters, check_row)?;
        let mut damaged = Vec::new();
        let (kept, more) = fill(whole(rows, &mut damaged), limit, |kept| {
            kept.letter.envelope.len()
        })?;
        Ok((kept, more, damaged))
    }
}

/// Reads a row as a letter, if it is undamaged.
pub(super) fn check_row(row: &Row<'_>) -> rusqlite::Result<Checked<Kept>> {
    check(row.get("seq")?, || {
        let kept = Kept::read(row)?;
        Ok(holds(row, parts(&kept.letter))?.then_some(kept))
    })
}

/// The values that a letter's seal covers: those by which it is found and sent.
fn parts(letter: &Letter) -> [&[u8]; 5] {
    [
        letter.letter_id.as_bytes(),
        letter.id.as_bytes(),
        letter.peer.as_bytes(),
        letter.trace_id.as_deref().unwrap_or_default().as_bytes(),
        &letter.envelope,
    ]
}

/// A row of the table.
pub(super) struct Kept {
    seq: i64,
    turn: i64,
    letter: Letter,
    stored_at: Instant,
    leased_at: Option<Instant>,
    leased_until: Option<Instant>,
}

impl Kept {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get("seq")?,
            turn: row.get("turn")?,
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
            leased_at: row.get("leased_at_us")?,
            leased_until: row.get("leased_until_us")?,
        })
    }

    /// The letter as callers see it at this time.
    fn stored(self, now: Instant) -> StoredLetter {
        // The lease is over, or the clock was set back to before its beginning.
        let ended = |until: Instant| until <= now || self.leased_at.is_some_and(|at| at > now);
        StoredLetter {
            leased_until: self.leased_until.filter(|until| !ended(*until)),
            letter: self.letter,
            stored_at: self.stored_at,
        }
    }
}
