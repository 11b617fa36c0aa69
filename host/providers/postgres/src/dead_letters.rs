//! `dead-letters` in PostgreSQL: one table, in the order in which letters arrived. Storing them is in `push`, taking them
//! out of the queue in `replay` and `take`.

use async_trait::async_trait;
use tokio_postgres::Row;
use twin_capabilities::{
    DeadLetters, Failure, Instant,
    dead_letters::{Lease, Letter, Page, Place, PreviewPage, Selection, StoredLetter, Taken},
};
use twin_contract::Fill;

use crate::{
    Store,
    clock::now,
    columns::read_attempts,
    connection::Session,
    damage::Kind,
    error::Trouble,
    pool::Work,
    push::Push,
    replay::{GiveUp, Preview, Release},
    seal::{Checked, check, holds},
    take::{Take, TakeDamaged},
    text::Text,
};

const LIST: &str = concat!(
    "SELECT *, ",
    now!(),
    " AS now_us FROM (
        SELECT *, sum(octet_length(envelope)) OVER (ORDER BY seq
            ROWS BETWEEN UNBOUNDED PRECEDING AND 2 PRECEDING) AS before
        FROM (SELECT * FROM twin.dead_letters WHERE twin = $2 AND seq > $3 ORDER BY seq LIMIT $4)
            AS asked) AS sized
    WHERE coalesce(before, 0) <= 1048576 ORDER BY seq"
);

const GET: &str = concat!(
    "SELECT *, ",
    now!(),
    " AS now_us FROM twin.dead_letters WHERE twin = $2 AND letter_id = $3"
);

#[async_trait]
impl DeadLetters for Store {
    async fn push(&self, letter: Letter) -> Result<(), Failure> {
        let written = self.pushes.write(vec![Push::new(letter)]).await.pop();
        written.unwrap_or_else(|| {
            Err(Failure::Unavailable(
                "the store did not come to it".to_owned(),
            ))
        })
    }

    async fn list(&self, after: Option<Place>, limit: u32) -> Result<Page, Failure> {
        let after = after.map_or(0, |place| signed(place.number));
        let limit = limit.max(1);
        let (page, damaged) = self.reads.again(List { after, limit }).await?;
        self.report(Kind::Letter, damaged).await;
        Ok(page)
    }

    async fn get(&self, letter_id: String) -> Result<Option<StoredLetter>, Failure> {
        match self.reads.again(Get { letter_id }).await? {
            None => Ok(None),
            Some(Checked::Whole(letter)) => Ok(Some(letter)),
            Some(Checked::Damaged(item)) => {
                self.report(Kind::Letter, vec![item]).await;
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
        let limit = limit.max(1);
        let preview = Preview {
            selection,
            after,
            limit,
        };
        let (page, damaged) = self.reads.again(preview).await?;
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
        let take = Take {
            selection,
            round,
            limit,
            lease_ms,
        };
        let (taken, damaged) = self.writes.once(take).await?;
        self.report(Kind::Letter, damaged).await;
        Ok(taken)
    }

    async fn take_damaged(
        &self,
        letter_id: String,
        lease_ms: u32,
    ) -> Result<Option<Lease>, Failure> {
        self.writes
            .once(TakeDamaged {
                letter_id,
                lease_ms,
            })
            .await
    }

    async fn settle(&self, letter_id: String, receipt: String) -> Result<bool, Failure> {
        self.writes.once(GiveUp { letter_id, receipt }).await
    }

    async fn release(
        &self,
        letter_id: String,
        receipt: String,
        turn: Option<u64>,
    ) -> Result<bool, Failure> {
        let turn = turn.map(signed);
        self.writes
            .once(Release {
                letter_id,
                receipt,
                turn,
            })
            .await
    }
}

/// A number as PostgreSQL stores it. A larger number becomes the maximum, which is beyond every number in the store.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

struct List {
    after: i64,
    limit: u32,
}

impl Work for List {
    type Output = (Page, Vec<String>);

    async fn run(&self, session: &Session) -> Result<Self::Output, Trouble> {
        let twin = Text::from(session.twin());
        let most = i64::from(self.limit).saturating_add(1);
        let mut page = Fill::new(self.limit);
        let mut damaged = Vec::new();
        let mut after = self.after;
        loop {
            let rows = session
                .rows(LIST, &[&session.now(), &twin, &after, &most])
                .await?;
            let before = damaged.len();
            let mut done = false;
            for row in &rows {
                after = row.try_get("seq")?;
                match check_row(row) {
                    Checked::Whole(kept) => {
                        let bytes = kept.letter.envelope.len();
                        done = !page.push((kept.seq, kept.stored(row.try_get("now_us")?)), bytes);
                    }
                    Checked::Damaged(item) => damaged.push(item),
                }
                if done {
                    break;
                }
            }
            // Without damaged rows, a page that is not full is the last.
            if done || damaged.len() == before {
                break;
            }
        }
        let (kept, more) = page.finish();
        let next = kept.last().filter(|_| more).map(|(seq, last)| Place {
            number: seq.unsigned_abs(),
            letter_id: last.letter.letter_id.clone(),
        });
        let letters = kept.into_iter().map(|(_, letter)| letter).collect();
        Ok((Page { letters, next }, damaged))
    }
}

struct Get {
    letter_id: String,
}

impl Work for Get {
    type Output = Option<Checked<StoredLetter>>;

    async fn run(&self, session: &Session) -> Result<Self::Output, Trouble> {
        let (twin, name) = (Text::from(session.twin()), Text::from(&self.letter_id));
        let Some(row) = session.find(GET, &[&session.now(), &twin, &name]).await? else {
            return Ok(None);
        };
        let now = row.try_get("now_us")?;
        Ok(Some(match check_row(&row) {
            Checked::Whole(kept) => Checked::Whole(kept.stored(now)),
            Checked::Damaged(item) => Checked::Damaged(item),
        }))
    }
}

/// A row of the table.
pub(crate) struct Kept {
    pub(crate) seq: i64,
    pub(crate) letter: Letter,
    stored_at: Instant,
    leased_at: Option<Instant>,
    leased_until: Option<Instant>,
}

/// Reads a row as a letter, if it is undamaged.
pub(crate) fn check_row(row: &Row) -> Checked<Kept> {
    let item = row
        .try_get("seq")
        .map(|seq: i64| seq.to_string())
        .unwrap_or_default();
    check(item, || {
        let kept = Kept::read(row)?;
        Ok(holds(row, parts(&kept.letter))?.then_some(kept))
    })
}

/// The values that a letter's seal covers: those by which it is found and sent.
pub(crate) fn parts(letter: &Letter) -> [&[u8]; 5] {
    [
        letter.letter_id.as_bytes(),
        letter.id.as_bytes(),
        letter.peer.as_bytes(),
        letter.trace_id.as_deref().unwrap_or_default().as_bytes(),
        &letter.envelope,
    ]
}

pub(crate) fn text(row: &Row, column: &str) -> Result<String, Trouble> {
    Ok(row.try_get::<_, Text<'static>>(column)?.0.into_owned())
}

impl Kept {
    fn read(row: &Row) -> Result<Self, Trouble> {
        let trace: Option<Text<'static>> = row.try_get("trace_id")?;
        Ok(Self {
            seq: row.try_get("seq")?,
            letter: Letter {
                letter_id: text(row, "letter_id")?,
                id: text(row, "id")?,
                peer: text(row, "peer")?,
                trace_id: trace.map(|trace| trace.0.into_owned()),
                envelope: row.try_get("envelope")?,
                attempts: read_attempts(row.try_get("attempts")?)?,
                first_failure_at: row.try_get("first_failure_us")?,
                last_failure_at: row.try_get("last_failure_us")?,
            },
            stored_at: row.try_get("stored_at_us")?,
            leased_at: row.try_get("leased_at_us")?,
            leased_until: row.try_get("leased_until_us")?,
        })
    }

    fn stored(self, now: Instant) -> StoredLetter {
        let began = self.leased_at.is_none_or(|at| at <= now);
        StoredLetter {
            leased_until: self.leased_until.filter(|until| began && *until > now),
            stored_at: self.stored_at,
            letter: self.letter,
        }
    }
}
