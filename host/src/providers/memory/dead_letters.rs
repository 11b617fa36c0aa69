//! `dead-letters` and `dead-letter-replay` in memory.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use async_trait::async_trait;

use super::Store;
use crate::{
    bindings::{
        dead_letter_replay::{Lease, Page, StoredLetter},
        dead_letters::Letter,
        types::{Failure, Instant},
    },
    providers::{DeadLetters, clock::later, paging::fill, receipt::receipt},
};

/// Letters by their number, which counts them in the order they came.
#[derive(Default)]
pub(super) struct Letters {
    last: u64,
    numbers: HashMap<String, u64>,
    kept: BTreeMap<u64, Kept>,
}

struct Kept {
    letter: Letter,
    stored_at: Instant,
    lease: Option<Held>,
}

struct Held {
    receipt: String,
    until: Instant,
}

#[async_trait]
impl DeadLetters for Store {
    async fn push(&self, letter: Letter) -> Result<(), Failure> {
        let mut letters = self.dead_letters.open()?;
        if letters.numbers.contains_key(&letter.letter_id) {
            return Ok(());
        }
        letters.last += 1;
        let number = letters.last;
        letters.numbers.insert(letter.letter_id.clone(), number);
        let kept = Kept {
            letter,
            stored_at: (self.clock)(),
            lease: None,
        };
        letters.kept.insert(number, kept);
        Ok(())
    }

    async fn list(&self, cursor: Option<String>, limit: u32) -> Result<Page, Failure> {
        let after: u64 = cursor.and_then(|number| number.parse().ok()).unwrap_or(0);
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
                .map(|(number, _)| number.to_string()),
            letters: page.iter().map(|(_, kept)| kept.stored(now)).collect(),
        })
    }

    async fn get(&self, letter_id: String) -> Result<Option<StoredLetter>, Failure> {
        let letters = self.dead_letters.open()?;
        let number = letters.numbers.get(&letter_id);
        let kept = number.and_then(|number| letters.kept.get(number));
        Ok(kept.map(|kept| kept.stored((self.clock)())))
    }

    async fn take(
        &self,
        letter_id: Option<String>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Vec<Lease>, Failure> {
        let mut letters = self.dead_letters.open()?;
        let now = (self.clock)();
        let free = letters
            .kept
            .values_mut()
            .filter(|kept| {
                letter_id
                    .as_ref()
                    .is_none_or(|id| *id == kept.letter.letter_id)
            })
            .filter(|kept| kept.leased_until(now).is_none())
            .map(Ok::<_, Failure>);
        let (free, _) = fill(free, limit, |kept| kept.letter.envelope.len())?;
        Ok(free
            .into_iter()
            .map(|kept| kept.lease(later(now, Duration::from_millis(lease_ms.into()))))
            .collect())
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

    async fn release(&self, letter_id: String, receipt: String) -> Result<bool, Failure> {
        let mut letters = self.dead_letters.open()?;
        let held = letters.held(&letter_id, &receipt);
        Ok(held.map(|kept| kept.lease = None).is_some())
    }
}

impl Letters {
    /// The letter, if this is its receipt.
    fn held(&mut self, letter_id: &str, receipt: &str) -> Option<&mut Kept> {
        let kept = self.kept.get_mut(self.numbers.get(letter_id)?)?;
        let held = kept.lease.as_ref()?;
        (held.receipt == receipt).then_some(kept)
    }
}

impl Kept {
    fn leased_until(&self, now: Instant) -> Option<Instant> {
        let held = self.lease.as_ref()?;
        (held.until > now).then_some(held.until)
    }

    fn stored(&self, now: Instant) -> StoredLetter {
        StoredLetter {
            letter: self.letter.clone(),
            stored_at: self.stored_at,
            leased_until: self.leased_until(now),
        }
    }

    fn lease(&mut self, until: Instant) -> Lease {
        let receipt = receipt();
        self.lease = Some(Held {
            receipt: receipt.clone(),
            until,
        });
        Lease {
            letter: self.letter.clone(),
            receipt,
        }
    }
}
