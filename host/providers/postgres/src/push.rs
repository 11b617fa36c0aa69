//! Storing dead letters: new letters are inserted; existing ones are kept unchanged unless they are damaged.

use twin_capabilities::{dead_letters::Letter, provider::seal};

use crate::{
    batch::Batched,
    clock::now,
    columns::attempts,
    connection::Session,
    damage::{self, Kind},
    dead_letters::{check_row, parts, text},
    error::Trouble,
    seal::Checked,
    text::Text,
};

/// In the order of their names, as for records. Numbers are assigned in the order in which letters are written, but letters
/// written at the same time may become visible in a different order, so a list that is read meanwhile may miss the last
/// ones.
const PUSH: &str = concat!(
    "INSERT INTO twin.dead_letters
        (twin, letter_id, id, peer, trace_id, envelope, attempts,
         first_failure_us, last_failure_us, seal, stored_at_us)
    SELECT $2, letter.*, ",
    now!(),
    " FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::text[],
        $9::bigint[], $10::bigint[], $11::bytea[]) AS letter
    ON CONFLICT (twin, letter_id) DO NOTHING RETURNING letter_id"
);

/// The letters that already exist. It takes a lock, for the reason given in `put`.
const FIND: &str = "
    SELECT letter.* FROM twin.dead_letters AS letter
    JOIN unnest($2::text[]) AS wanted (letter_id) USING (letter_id)
    WHERE letter.twin = $1 ORDER BY letter.letter_id FOR NO KEY UPDATE OF letter";

const REMOVE: &str = "DELETE FROM twin.dead_letters WHERE twin = $1 AND seq = $2";

/// A letter to be stored.
#[derive(Debug)]
pub(crate) struct Push(Letter);

impl Push {
    pub(crate) const fn new(letter: Letter) -> Self {
        Self(letter)
    }
}

impl Batched for Push {
    type Outcome = ();

    fn bytes(&self) -> usize {
        // An attempt takes about 100 bytes, the rest of a row about 400.
        self.0.envelope.len() + 100 * self.0.attempts.len() + 400
    }

    async fn write(pushes: &[Self], session: &Session) -> Result<Vec<()>, Trouble> {
        let mut wanted: Vec<&Letter> = pushes.iter().map(|push| &push.0).collect();
        wanted.sort_by(|one, other| one.letter_id.cmp(&other.letter_id));
        wanted.dedup_by(|one, other| one.letter_id == other.letter_id);
        // A letter that is neither new nor found was removed in between, as is a damaged letter that is replaced.
        for _ in 0..3 {
            let stored = insert(session, &wanted).await?;
            wanted.retain(|letter| !stored.contains(&letter.letter_id));
            if !wanted.is_empty() {
                let there = keep_or_remove(session, &wanted).await?;
                wanted.retain(|letter| !there.contains(&letter.letter_id));
            }
            if wanted.is_empty() {
                return Ok(pushes.iter().map(|_| ()).collect());
            }
        }
        Err(Trouble::Elusive)
    }
}

/// Inserts letters, and returns the names of those that were stored; the others already exist.
async fn insert(session: &Session, letters: &[&Letter]) -> Result<Vec<String>, Trouble> {
    let texts = |part: fn(&Letter) -> &String| -> Vec<Text<'_>> {
        letters
            .iter()
            .map(|letter| Text::from(part(letter)))
            .collect()
    };
    let traces: Vec<_> = letters
        .iter()
        .map(|letter| letter.trace_id.as_ref().map(Text::from))
        .collect();
    let envelopes: Vec<_> = letters
        .iter()
        .map(|letter| letter.envelope.as_slice())
        .collect();
    let attempts = letters
        .iter()
        .map(|letter| attempts(&letter.attempts))
        .collect::<Result<Vec<_>, _>>()?;
    let first: Vec<_> = letters
        .iter()
        .map(|letter| letter.first_failure_at)
        .collect();
    let last: Vec<_> = letters
        .iter()
        .map(|letter| letter.last_failure_at)
        .collect();
    let seals: Vec<_> = letters.iter().map(|letter| seal(parts(letter))).collect();
    let rows = session
        .rows(
            PUSH,
            &[
                &session.now(),
                &Text::from(session.twin()),
                &texts(|letter| &letter.letter_id),
                &texts(|letter| &letter.id),
                &texts(|letter| &letter.peer),
                &traces,
                &envelopes,
                &attempts,
                &first,
                &last,
                &seals,
            ],
        )
        .await?;
    rows.iter().map(|row| text(row, "letter_id")).collect()
}

/// Names the letters that exist, which are kept. A damaged one is removed, because it cannot be sent and the new bytes can.
async fn keep_or_remove(session: &Session, letters: &[&Letter]) -> Result<Vec<String>, Trouble> {
    let twin = Text::from(session.twin());
    let names: Vec<_> = letters
        .iter()
        .map(|letter| Text::from(&letter.letter_id))
        .collect();
    let mut there = Vec::new();
    for row in session.rows(FIND, &[&twin, &names]).await? {
        match check_row(&row) {
            Checked::Whole(kept) => there.push(kept.letter.letter_id),
            Checked::Damaged(item) => {
                tracing::info!(item, "a damaged letter is replaced by the same one");
                let seq: i64 = row.try_get("seq")?;
                session.begin().await?;
                session.execute(REMOVE, &[&twin, &seq]).await?;
                damage::forget(session, Kind::Letter, &item).await?;
                session.commit().await?;
            }
        }
    }
    Ok(there)
}
