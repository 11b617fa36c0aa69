//! The interfaces `dead-letters` and `dead-letter-replay` in memory.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use async_trait::async_trait;
use twin_capabilities::{
    DeadLetters,
    dead_letters::{Lease, Letter, Page, Place, PreviewPage, Selection, StoredLetter, Taken},
    provider::{fill, later, receipt},
    types::{Failure, Instant},
};

use super::Store;

/// Letters by number; numbers are in the order in which the letters were stored.
#[derive(Default)]
pub(super) struct Letters {
    last: u64,
    /// The end of the queue.
    last_turn: u64,
    numbers: HashMap<String, u64>,
    kept: BTreeMap<u64, Kept>,
}

struct Kept {
    letter: Letter,
    stored_at: Instant,
    /// Its place in the queue.
    turn: u64,
    lease: Option<Held>,
}

struct Held {
    receipt: String,
    since: Instant,
    until: Instant,
}

impl Letters {
    /// The number of letters, and when the oldest was stored.
    pub(super) fn count(&self) -> (usize, Option<Instant>) {
        let oldest = self.kept.values().next();
        (self.kept.len(), oldest.map(|kept| kept.stored_at))
    }
}

#[async_trait]
impl DeadLetters for Store {
    async fn push(&self, letter: Letter) -> Result<(), Failure> {
        let mut letters = self.dead_letters.open()?;
        if letters.numbers.contains_key(&letter.letter_id) {
            return Ok(());
        }
        letters.last += 1;
        letters.last_turn = letters.last_turn.saturating_add(1);
        let (number, turn) = (letters.last, letters.last_turn);
        letters.numbers.insert(letter.letter_id.clone(), number);
        let kept = Kept {
            letter,
            stored_at: (self.clock)(),
            turn,
            lease: None,
        };
        letters.kept.insert(number, kept);
        Ok(())
    }

    async fn list(&self, after: Option<Place>, limit: u32) -> Result<Page, Failure> {
        let after = after.map_or(0, |place| place.number);
        let letters = self.dead_letters.open()?;
        let now = (self.clock)();
        let behind = letters.kept.range(after.saturating_add(1)..);
        let (page, more) = fill(behind.map(Ok::<_, Failure>), limit.max(1), |(_, kept)| {
            kept.letter.envelope.len()
        })?;
        Ok(Page {
            next: page
                .last()
                .filter(|_| more)
                .map(|(number, kept)| kept.letter.place(**number)),
            letters: page.iter().map(|(_, kept)| kept.stored(now)).collect(),
        })
    }

    async fn get(&self, letter_id: String) -> Result<Option<StoredLetter>, Failure> {
        let letters = self.dead_letters.open()?;
        let number = letters.numbers.get(&letter_id);
        let kept = number.and_then(|number| letters.kept.get(number));
        Ok(kept.map(|kept| kept.stored((self.clock)())))
    }

    async fn preview(
        &self,
        selection: Selection,
        after: Option<Place>,
        limit: u32,
    ) -> Result<PreviewPage, Failure> {
        let after = after.map_or(0, |place| place.number);
        let mut letters = self.dead_letters.open()?;
        let now = (self.clock)();
        let free = letters.free(&selection, now).into_iter();
        let behind = free.filter(|kept| kept.turn > after).map(Ok::<_, Failure>);
        let (page, more) = fill(behind, limit.max(1), |_| 0)?;
        Ok(PreviewPage {
            next: page
                .last()
                .filter(|_| more)
                .map(|kept| kept.letter.place(kept.turn)),
            letters: page
                .iter()
                .map(|kept| kept.letter.summary(kept.stored_at))
                .collect(),
        })
    }

    async fn take(
        &self,
        selection: Selection,
        round: Option<u64>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Taken, Failure> {
        let mut letters = self.dead_letters.open()?;
        let now = (self.clock)();
        // A caller's number is limited to the last one that was issued.
        let mut last_turn = letters.last_turn;
        let round = round.map_or(last_turn, |round| round.min(last_turn));
        let free = letters.free(&selection, now).into_iter();
        let free = free.filter(|kept| kept.turn <= round).map(Ok::<_, Failure>);
        let (free, more) = fill(free, limit, |kept| kept.letter.envelope.len())?;
        let until = later(now, Duration::from_millis(lease_ms.into()));
        let leases = free
            .into_iter()
            .map(|kept| {
                last_turn = last_turn.saturating_add(1);
                kept.lease(now, until, last_turn)
            })
            .collect();
        letters.last_turn = last_turn;
        Ok(Taken {
            leases,
            round,
            more,
        })
    }

    async fn take_damaged(
        &self,
        _letter_id: String,
        _lease_ms: u32,
    ) -> Result<Option<Lease>, Failure> {
        // Letters in memory are never damaged.
        self.dead_letters.open().map(|_| None)
    }

    async fn settle(&self, letter_id: String, receipt: String) -> Result<bool, Failure> {
        let mut letters = self.dead_letters.open()?;
        if letters.held(&letter_id, &receipt).is_none() {
            return Ok(false);
        }
        if let Some(number) = letters.numbers.remove(&letter_id) {
            letters.kept.remove(&number);
        }
        Ok(true)
    }

    async fn release(
        &self,
        letter_id: String,
        receipt: String,
        turn: Option<u64>,
    ) -> Result<bool, Failure> {
        let mut letters = self.dead_letters.open()?;
        let Some(kept) = letters.held(&letter_id, &receipt) else {
            return Ok(false);
        };
        kept.lease = None;
        kept.turn = turn.map_or(kept.turn, |turn| turn.min(kept.turn));
        Ok(true)
    }
}

impl Letters {
    /// The letters of a selection that are not leased, in the order of the queue.
    fn free(&mut self, selection: &Selection, now: Instant) -> Vec<&mut Kept> {
        let mut free: Vec<_> = self
            .kept
            .values_mut()
            .filter(|kept| {
                selection.includes(&kept.letter, kept.stored_at) && kept.leased_until(now).is_none()
            })
            .collect();
        free.sort_unstable_by_key(|kept| kept.turn);
        free
    }

    /// The letter, if the receipt is the one of its lease.
    fn held(&mut self, letter_id: &str, receipt: &str) -> Option<&mut Kept> {
        let kept = self.kept.get_mut(self.numbers.get(letter_id)?)?;
        let held = kept.lease.as_ref()?;
        (held.receipt == receipt).then_some(kept)
    }
}

impl Kept {
    fn leased_until(&self, now: Instant) -> Option<Instant> {
        let held = self.lease.as_ref()?;
        (held.since..held.until)
            .contains(&now)
            .then_some(held.until)
    }

    fn stored(&self, now: Instant) -> StoredLetter {
        StoredLetter {
            letter: self.letter.clone(),
            stored_at: self.stored_at,
            leased_until: self.leased_until(now),
        }
    }

    /// Leases the letter, and moves it to the end of the queue.
    fn lease(&mut self, now: Instant, until: Instant, last_turn: u64) -> Lease {
        let receipt = receipt();
        self.lease = Some(Held {
            receipt: receipt.clone(),
            since: now,
            until,
        });
        Lease {
            letter: self.letter.clone(),
            receipt,
            turn: std::mem::replace(&mut self.turn, last_turn),
        }
    }
}
