//! `dead-letter-replay` in PostgreSQL: the queue of the letters. Taking them is in `take`.
//!
//! A letter's turn is a unique number from a sequence. A letter that is stored or taken comes after all others, including
//! those that another host stores or takes at the same time. If two hosts take letters at once, each skips those that the
//! other has locked, and they do not wait for each other.

use tokio_postgres::Row;
use twin_capabilities::dead_letters::{Place, PreviewPage, Selection, Summary};
use twin_contract::Fill;

use crate::{
    connection::Session,
    damage,
    dead_letters::text,
    error::Trouble,
    pool::Work,
    seal::{Checked, check},
    text::Text,
};

/// The letters that may be taken: the condition after `WHERE`, with the twin, the name, the peer and the time from the
/// second parameter on. The name of a single letter is a condition of its own, so its index is used.
macro_rules! may_be_taken {
    () => {
        crate::replay::may_be_taken!("($3::text IS NULL OR letter_id = $3)")
    };
    (one) => {
        crate::replay::may_be_taken!("letter_id = $3::text")
    };
    ($name:literal) => {
        concat!(
            "letter.twin = $2 AND ",
            crate::clock::is_free!(),
            " AND NOT EXISTS (SELECT 1 FROM twin.damage WHERE damage.twin = letter.twin
                AND kind = 'letter' AND item = letter.seq::text)
            AND ",
            $name,
            " AND ($4::text IS NULL OR peer = $4)
            AND ($5::bigint IS NULL OR stored_at_us < $5) "
        )
    };
}
pub(crate) use may_be_taken;

const PREVIEW: &str = concat!(
    "SELECT seq, letter_id, id, peer, stored_at_us, turn FROM twin.dead_letters AS letter WHERE ",
    may_be_taken!(),
    "AND (turn, letter_id) > ($6, $7) ORDER BY turn, letter_id LIMIT $8"
);

const SETTLE: &str = "
    WITH settled AS (
        DELETE FROM twin.dead_letters WHERE twin = $1 AND letter_id = $2 AND receipt = $3 RETURNING seq),
    forgotten AS (
        DELETE FROM twin.damage USING settled
        WHERE damage.twin = $1 AND kind = 'letter' AND item = settled.seq::text)
    SELECT seq FROM settled";

const RELEASE: &str = "
    UPDATE twin.dead_letters
    SET receipt = NULL, leased_until_us = NULL, turn = least(coalesce($4, turn), turn)
    WHERE twin = $1 AND letter_id = $2 AND receipt = $3";

/// A selection as parameters.
pub(crate) struct Wanted<'a> {
    pub(crate) now: Option<i64>,
    pub(crate) twin: Text<'a>,
    pub(crate) letter_id: Option<Text<'a>>,
    pub(crate) peer: Option<Text<'a>>,
    pub(crate) before: Option<i64>,
}

impl<'a> Wanted<'a> {
    pub(crate) fn of(session: &'a Session, selection: &'a Selection) -> Self {
        Self {
            now: session.now(),
            twin: Text::from(session.twin()),
            letter_id: selection.letter_id.as_ref().map(Text::from),
            peer: selection.peer.as_ref().map(Text::from),
            before: selection.before,
        }
    }
}

pub(crate) struct Preview {
    pub(crate) selection: Selection,
    pub(crate) after: (i64, String),
    pub(crate) limit: u32,
}

impl Work for Preview {
    type Output = (PreviewPage, Vec<String>);

    async fn run(&self, session: &Session) -> Result<Self::Output, Trouble> {
        let Wanted {
            now,
            twin,
            letter_id,
            peer,
            before,
        } = Wanted::of(session, &self.selection);
        let most = i64::from(self.limit).saturating_add(1);
        let mut page = Fill::new(self.limit);
        let mut damaged = Vec::new();
        let (mut turn, mut name) = self.after.clone();
        loop {
            let rows = session
                .rows(
                    PREVIEW,
                    &[
                        &now,
                        &twin,
                        &letter_id,
                        &peer,
                        &before,
                        &turn,
                        &Text::from(&name),
                        &most,
                    ],
                )
                .await?;
            let known = damaged.len();
            let mut done = false;
            for row in &rows {
                turn = row.try_get("turn")?;
                name = damage::lossy(row, "letter_id");
                // Without its envelope, only the form of a row can be checked.
                match check(row.try_get::<_, i64>("seq")?.to_string(), || {
                    summary(row).map(Some)
                }) {
                    Checked::Whole(summary) => done = !page.push((turn, summary), 0),
                    Checked::Damaged(item) => damaged.push(item),
                }
                if done {
                    break;
                }
            }
            if done || damaged.len() == known {
                break;
            }
        }
        let (kept, more) = page.finish();
        let next = kept.last().filter(|_| more).map(|(turn, last)| Place {
            number: turn.unsigned_abs(),
            letter_id: last.letter_id.clone(),
        });
        let letters = kept.into_iter().map(|(_, summary)| summary).collect();
        Ok((PreviewPage { letters, next }, damaged))
    }
}

/// The summary of a letter, without its content.
fn summary(row: &Row) -> Result<Summary, Trouble> {
    Ok(Summary {
        letter_id: text(row, "letter_id")?,
        id: text(row, "id")?,
        peer: text(row, "peer")?,
        stored_at: row.try_get("stored_at_us")?,
    })
}

pub(crate) struct GiveUp {
    pub(crate) letter_id: String,
    pub(crate) receipt: String,
}

impl Work for GiveUp {
    type Output = bool;

    async fn run(&self, session: &Session) -> Result<bool, Trouble> {
        let (twin, name) = (Text::from(session.twin()), Text::from(&self.letter_id));
        let settled = session
            .find(SETTLE, &[&twin, &name, &Text::from(&self.receipt)])
            .await?;
        Ok(settled.is_some())
    }
}

pub(crate) struct Release {
    pub(crate) letter_id: String,
    pub(crate) receipt: String,
    pub(crate) turn: Option<i64>,
}

impl Work for Release {
    type Output = bool;

    async fn run(&self, session: &Session) -> Result<bool, Trouble> {
        let (twin, name) = (Text::from(session.twin()), Text::from(&self.letter_id));
        let receipt = Text::from(&self.receipt);
        Ok(session
            .execute(RELEASE, &[&twin, &name, &receipt, &self.turn])
            .await?
            > 0)
    }
}
