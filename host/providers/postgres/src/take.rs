//! Taking letters out of the queue: they are locked, leased and moved to its end, in one transaction.

use twin_capabilities::{
    dead_letters::{Lease, Selection, Taken},
    provider::{Fill, receipt},
};

use crate::{
    clock::{is_free, now},
    connection::Session,
    damage,
    dead_letters::{Kept, check_row, signed},
    error::Trouble,
    pool::Work,
    replay::{Wanted, may_be_taken},
    seal::Checked,
    text::Text,
};

const LAST_TURN: &str =
    "SELECT coalesce(max(turn), 0) AS last FROM twin.dead_letters WHERE twin = $1";

/// As many letters as requested, up to the first that exceeds a mebibyte of envelopes. All are locked; those that are not
/// leased become free again at the end of the transaction.
macro_rules! lock {
    ($($one:ident)?) => {
        concat!(
            "WITH free AS MATERIALIZED (
                SELECT seq, turn, letter_id, octet_length(envelope) AS size
                FROM twin.dead_letters AS letter WHERE ",
            may_be_taken!($($one)?),
            "AND turn <= $6 AND seq <> ALL($7::bigint[])
                ORDER BY turn, letter_id LIMIT $8 FOR UPDATE OF letter SKIP LOCKED),
            sized AS (
                SELECT *, sum(size) OVER (ORDER BY turn, letter_id
                    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM free)
            SELECT letter.*, sized.turn AS turn_now
            FROM sized JOIN twin.dead_letters AS letter USING (seq)
            WHERE coalesce(before, 0) <= 1048576 ORDER BY sized.turn, sized.letter_id"
        )
    };
}

const LOCK: &str = lock!();

const LOCK_NAMED: &str = lock!(one);

macro_rules! more {
    ($($one:ident)?) => {
        concat!(
            "SELECT EXISTS (SELECT 1 FROM twin.dead_letters AS letter WHERE ",
            may_be_taken!($($one)?),
            "AND turn <= $6 AND seq <> ALL($7::bigint[])) AS more"
        )
    };
}

const MORE: &str = more!();

const MORE_NAMED: &str = more!(one);

const TURNS: &str =
    "SELECT nextval('twin.turns') AS turn FROM generate_series(1, $1::bigint) ORDER BY turn";

const LEASE: &str = concat!(
    "UPDATE twin.dead_letters AS letter
    SET receipt = given.receipt, turn = given.turn, leased_at_us = now,
        leased_until_us = now + least($5, 9223372036854775807 - now)
    FROM unnest($2::bigint[], $3::text[], $4::bigint[]) AS given (seq, receipt, turn),
        (SELECT ",
    now!(),
    " AS now) AS clock
    WHERE letter.seq = given.seq"
);

/// A free letter, damaged or not.
const LOCK_ONE: &str = concat!(
    "SELECT * FROM twin.dead_letters AS letter WHERE twin = $2 AND letter_id = $3 AND ",
    is_free!(),
    " FOR UPDATE"
);

pub(crate) struct Take {
    pub(crate) selection: Selection,
    pub(crate) round: Option<u64>,
    pub(crate) limit: u32,
    pub(crate) lease_ms: u32,
}

/// A letter that is locked, and its turn.
type Locked = (Kept, i64);

impl Work for Take {
    type Output = (Taken, Vec<String>);

    async fn run(&self, session: &Session) -> Result<Self::Output, Trouble> {
        session.begin().await?;
        if self.round.is_none() {
            damage::check_letters_again(session).await?;
        }
        let last = session
            .row(LAST_TURN, &[&Text::from(session.twin())])
            .await?;
        let last: i64 = last.try_get("last")?;
        // A caller's number is limited to those that have been assigned.
        let round = self.round.map_or(last, |round| signed(round).min(last));
        let (locked, damaged) = self.lock(session, round).await?;
        let leases = lease(session, locked, self.lease_ms).await?;
        let more = self.more(session, round, &damaged).await?;
        session.commit().await?;
        let taken = Taken {
            leases,
            round: round.unsigned_abs(),
            more,
        };
        Ok((taken, damaged.iter().map(ToString::to_string).collect()))
    }
}

impl Take {
    /// The statement for letters with any name, or the one for a single name.
    const fn either(&self, any: &'static str, named: &'static str) -> &'static str {
        match self.selection.letter_id {
            Some(_) => named,
            None => any,
        }
    }

    /// Locks the letters to be leased; also returns those that were found damaged.
    async fn lock(
        &self,
        session: &Session,
        round: i64,
    ) -> Result<(Vec<Locked>, Vec<i64>), Trouble> {
        let Wanted {
            now,
            twin,
            letter_id,
            peer,
            before,
        } = Wanted::of(session, &self.selection);
        let mut page = Fill::new(self.limit);
        let (mut seen, mut damaged) = (Vec::<i64>::new(), Vec::new());
        loop {
            let rows = session
                .rows(
                    self.either(LOCK, LOCK_NAMED),
                    &[
                        &now,
                        &twin,
                        &letter_id,
                        &peer,
                        &before,
                        &round,
                        &seen,
                        &i64::from(self.limit),
                    ],
                )
                .await?;
            let known = damaged.len();
            let mut done = false;
            for row in &rows {
                let seq = row.try_get("seq")?;
                seen.push(seq);
                match check_row(row) {
                    Checked::Whole(kept) => {
                        let bytes = kept.letter.envelope.len();
                        done = !page.push((kept, row.try_get("turn_now")?), bytes);
                    }
                    Checked::Damaged(_) => damaged.push(seq),
                }
                if done {
                    break;
                }
            }
            if done || damaged.len() == known {
                return Ok((page.finish().0, damaged));
            }
        }
    }

    /// Whether letters of the round are left, as far as this can be known: another replay may be about to take them.
    async fn more(&self, session: &Session, round: i64, damaged: &[i64]) -> Result<bool, Trouble> {
        let Wanted {
            now,
            twin,
            letter_id,
            peer,
            before,
        } = Wanted::of(session, &self.selection);
        let more = session
            .row(
                self.either(MORE, MORE_NAMED),
                &[&now, &twin, &letter_id, &peer, &before, &round, &damaged],
            )
            .await?;
        Ok(more.try_get("more")?)
    }
}

/// Leases letters, and moves them to the end of the queue.
async fn lease(
    session: &Session,
    locked: Vec<Locked>,
    lease_ms: u32,
) -> Result<Vec<Lease>, Trouble> {
    if locked.is_empty() {
        return Ok(Vec::new());
    }
    let count = i64::try_from(locked.len()).unwrap_or(i64::MAX);
    let turns = session.rows(TURNS, &[&count]).await?;
    let turns = turns
        .iter()
        .map(|row| row.try_get("turn"))
        .collect::<Result<Vec<i64>, _>>()?;
    let receipts: Vec<_> = locked.iter().map(|_| receipt()).collect();
    let numbers: Vec<_> = locked.iter().map(|(kept, _)| kept.seq).collect();
    mark(session, &numbers, &receipts, &turns, lease_ms).await?;
    let leases = locked.into_iter().zip(receipts);
    let lease = |((kept, turn), receipt): (Locked, String)| Lease {
        letter: kept.letter,
        receipt,
        turn: turn.unsigned_abs(),
    };
    Ok(leases.map(lease).collect())
}

async fn mark(
    session: &Session,
    numbers: &[i64],
    receipts: &[String],
    turns: &[i64],
    lease_ms: u32,
) -> Result<(), Trouble> {
    let length = i64::from(lease_ms).saturating_mul(1000);
    session
        .execute(
            LEASE,
            &[&session.now(), &numbers, &receipts, &turns, &length],
        )
        .await?;
    Ok(())
}

pub(crate) struct TakeDamaged {
    pub(crate) letter_id: String,
    pub(crate) lease_ms: u32,
}

impl Work for TakeDamaged {
    type Output = Option<Lease>;

    async fn run(&self, session: &Session) -> Result<Option<Lease>, Trouble> {
        let (twin, name) = (Text::from(session.twin()), Text::from(&self.letter_id));
        session.begin().await?;
        let row = session
            .find(LOCK_ONE, &[&session.now(), &twin, &name])
            .await?;
        let damaged = row.filter(|row| matches!(check_row(row), Checked::Damaged(_)));
        let lease = match damaged {
            None => None,
            Some(row) => {
                let (seq, turn): (i64, i64) = (row.try_get("seq")?, row.try_get("turn")?);
                let receipt = receipt();
                // A damaged letter keeps its turn, because it is not in the queue.
                let receipts = std::slice::from_ref(&receipt);
                mark(session, &[seq], receipts, &[turn], self.lease_ms).await?;
                Some(Lease {
                    letter: damage::remains_of_letter(&row),
                    receipt,
                    turn: turn.unsigned_abs(),
                })
            }
        };
        session.commit().await?;
        Ok(lease)
    }
}
