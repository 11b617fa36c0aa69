//! `dead-letters`: one row per letter, and how it is read back.

use serde::{Deserialize, Serialize};
use spin_sdk::sqlite::Value;
use twin_adapter::{
    Failure, Instant,
    bindings::{
        dead_letter_replay::StoredLetter,
        dead_letters::{Attempt, Guest, Letter},
    },
    clock,
};

use crate::{
    Adapter,
    database::{Database, Row, optional, text},
};

const PUSH: &str = "
    INSERT INTO dead_letters
        (twin, letter_id, id, peer, trace_id, envelope, attempts,
         first_failure_us, last_failure_us, stored_at_us, turn)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
        (SELECT min(coalesce(max(turn), 0), 9223372036854775806) + 1
            FROM dead_letters WHERE twin = ?1))
    ON CONFLICT (twin, letter_id) DO NOTHING";

/// The columns in the order in which [`read`] takes them; to be followed by conditions.
macro_rules! select_letters {
    ($rest:literal) => {
        concat!(
            "SELECT seq, letter_id, id, peer, trace_id, envelope, attempts, first_failure_us,
                last_failure_us, stored_at_us, leased_until_us, turn, leased_at_us
             FROM dead_letters WHERE twin = ?1 ",
            $rest
        )
    };
}

pub(crate) use select_letters;

#[derive(Serialize, Deserialize)]
struct WrittenAttempt {
    at_us: Instant,
    status: Option<u16>,
    cause: String,
}

impl Guest for Adapter {
    async fn push(letter: Letter) -> Result<(), Failure> {
        let attempts: Vec<_> = letter
            .attempts
            .into_iter()
            .map(|attempt| WrittenAttempt {
                at_us: attempt.at,
                status: attempt.status,
                cause: attempt.cause,
            })
            .collect();
        let attempts = serde_json::to_string(&attempts)
            .map_err(|error| Failure::Other(format!("a letter's attempts: {error}")))?;
        let parameters = [
            text(letter.letter_id),
            text(letter.id),
            text(letter.peer),
            optional(letter.trace_id),
            Value::Blob(letter.envelope),
            text(attempts),
            Value::Integer(letter.first_failure_at),
            Value::Integer(letter.last_failure_at),
            Value::Integer(clock::now()),
        ];
        let database = Database::open().await?;
        database.first(PUSH, parameters).await.map(drop)
    }
}

/// A row of the table.
pub(crate) struct Kept {
    /// Its number in the order in which letters were stored.
    pub(crate) seq: i64,
    /// Its place in the queue.
    pub(crate) turn: i64,
    pub(crate) stored: StoredLetter,
}

/// Reads a row of a statement that begins with [`select_letters`].
pub(crate) fn read(row: &Row) -> Result<Kept, Failure> {
    let attempts: Vec<WrittenAttempt> = serde_json::from_str(row.get(6)?)
        .map_err(|error| Failure::Other(format!("a letter's attempts: {error}")))?;
    let attempts = attempts.into_iter().map(|attempt| Attempt {
        at: attempt.at_us,
        status: attempt.status,
        cause: attempt.cause,
    });
    let leased_until: Option<Instant> = row.optional(10, |row, index| row.get(index))?;
    let leased_at: Option<Instant> = row.optional(12, |row, index| row.get(index))?;
    let leased = leased_until.map(|until| leased_at.unwrap_or(Instant::MIN)..until);
    let stored = StoredLetter {
        letter: Letter {
            letter_id: row.text(1)?,
            id: row.text(2)?,
            peer: row.text(3)?,
            trace_id: row.optional(4, Row::text)?,
            envelope: row.blob(5)?,
            attempts: attempts.collect(),
            first_failure_at: row.get(7)?,
            last_failure_at: row.get(8)?,
        },
        stored_at: row.get(9)?,
        leased_until: clock::lease_end(leased),
    };
    Ok(Kept {
        seq: row.get(0)?,
        turn: row.get(11)?,
        stored,
    })
}
