//! The interfaces `dead-letters` and `dead-letter-replay`: a letter is a document in two orders, by the time at which it was
//! stored and by its turn in the queue.
//!
//! No document counts letters or turns: it would be the one that every letter has to wait for. A letter's number is the store's
//! time, and its turn is one more than the last of the queue. So letters that are stored at the same moment may have the same
//! place, and then stand in the order of their ids.

use std::{collections::HashSet, sync::atomic::Ordering, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use twin_capabilities::{
    DeadLetters, Failure, Instant,
    dead_letters::{Lease, Letter, Page, Place, PreviewPage, Selection, StoredLetter, Taken},
    provider::{Clock, Fill, later, receipt},
};

use crate::{
    copies::LetterCopy,
    document::{Address, Created, Document, Index, Range, Stored, Table},
    documents::Documents,
    letter::{self, Kept},
    merge::Merge,
    names,
    store::{DocumentStore, Inner},
};

/// How many letters of one call are leased at the same time.
const AT_ONCE: usize = 8;

/// By how many turns an index may be late.
const AHEAD: u64 = 100_000;

/// How often an operation on a letter is begun anew because another host changed the letter meanwhile.
const RACES: usize = 16;

#[async_trait]
impl<D: Documents> DeadLetters for DocumentStore<D> {
    async fn push(&self, letter: Letter) -> Result<(), Failure> {
        // Cloned only where letters are copied: the document is made of the letter itself.
        let copying = self.copier.clone().map(|copier| (copier, letter.clone()));
        self.to_the_end(|inner| async move {
            let stored_at = inner.push(letter).await?;
            if let (Some((copier, letter)), Some(stored_at)) = (copying, stored_at) {
                let copy = LetterCopy { letter, stored_at };
                copier.copy(&inner.twin, copy).await;
            }
            Ok(())
        })
        .await
    }

    async fn list(&self, after: Option<Place>, limit: u32) -> Result<Page, Failure> {
        self.inner.list(after, limit.max(1)).await
    }

    async fn get(&self, letter_id: String) -> Result<Option<StoredLetter>, Failure> {
        let found = self.inner.find(&letter_id).await?;
        let now = (self.inner.clock)();
        Ok(found.map(|kept| kept.shown(now)))
    }

    async fn preview(
        &self,
        selection: Selection,
        after: Option<Place>,
        limit: u32,
    ) -> Result<PreviewPage, Failure> {
        self.inner.preview(&selection, after, limit.max(1)).await
    }

    async fn take(
        &self,
        selection: Selection,
        round: Option<u64>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Taken, Failure> {
        self.to_the_end(|inner| async move { inner.take(&selection, round, limit, lease_ms).await })
            .await
    }

    async fn take_damaged(&self, _: String, _: u32) -> Result<Option<Lease>, Failure> {
        // The service keeps what it was given; nothing here compares letters with a digest.
        Ok(None)
    }

    async fn settle(&self, letter_id: String, receipt: String) -> Result<bool, Failure> {
        self.to_the_end(|inner| async move { inner.settle(&letter_id, &receipt).await })
            .await
    }

    async fn release(
        &self,
        letter_id: String,
        receipt: String,
        turn: Option<u64>,
    ) -> Result<bool, Failure> {
        self.to_the_end(|inner| async move { inner.release(&letter_id, &receipt, turn).await })
            .await
    }
}

impl<D: Documents> Inner<D> {
    /// Stores a letter. Returns when, if it was not there already: then it stays as it is.
    async fn push(&self, letter: Letter) -> Result<Option<Instant>, Failure> {
        // Without the end of the queue the letter gets the turn after the last one that is known here: what matters is that it
        // is stored.
        let _ = self.end_of_queue().await;
        let stored_at = (self.clock)();
        let (number, turn) = (self.next_number(stored_at), self.next_turn());
        let document = Document {
            address: self.letter_address(&letter.letter_id),
            order: names::numbered(number, &letter.letter_id),
            queue: Some(names::numbered(turn, &letter.letter_id)),
            expires_at: self.settings.letter_age.map(|age| later(stored_at, age)),
            fields: letter::written(letter, stored_at),
        };
        if self.documents.is_too_large(&document) {
            return Err(Failure::TooLarge);
        }
        let created = self.documents.create(document).await?;
        Ok(matches!(created, Created::New).then_some(stored_at))
    }

    async fn list(&self, after: Option<Place>, limit: u32) -> Result<Page, Failure> {
        let mut range = self.letters(Index::Order);
        if let Some(place) = after {
            range.from = behind(&place);
        }
        let mut letters = Letters::of(self, range, limit);
        let mut page = Fill::new(limit);
        let mut last = None;
        let now = (self.clock)();
        while let Some(kept) = letters.next().await? {
            let place = kept.letter.place(kept.number);
            let bytes = kept.letter.envelope.len();
            if !page.push(kept.shown(now), bytes) {
                break;
            }
            last = Some(place);
        }
        let (letters, more) = page.finish();
        let next = last.filter(|_| more);
        Ok(Page { letters, next })
    }

    async fn preview(
        &self,
        selection: &Selection,
        after: Option<Place>,
        limit: u32,
    ) -> Result<PreviewPage, Failure> {
        let mut range = self.letters(Index::Queue);
        if let Some(place) = after {
            range.from = behind(&place);
        }
        let mut letters = Letters::of(self, range, limit);
        let mut page = Fill::new(limit);
        let mut last = None;
        while let Some(kept) = letters.next_free(selection, &self.clock).await? {
            let place = kept.letter.place(kept.turn);
            if !page.push(kept.letter.summary(kept.stored_at), 0) {
                break;
            }
            last = Some(place);
        }
        let (letters, more) = page.finish();
        let next = last.filter(|_| more);
        Ok(PreviewPage { letters, next })
    }

    async fn take(
        &self,
        selection: &Selection,
        round: Option<u64>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Taken, Failure> {
        let end = self.end_of_queue().await?;
        let asked = round;
        let round = self.round(asked, end);
        let mut taken = Taken {
            leases: Vec::new(),
            round,
            more: false,
        };
        // What others were faster to take, as far as the index does not show it yet.
        let mut lost = HashSet::new();
        for _ in 0..RACES {
            let (free, more) = match &selection.letter_id {
                // A letter that is named is in a new round in any case: the index may not show its turn yet.
                Some(letter_id) => {
                    let last_turn = asked.map_or(u64::MAX, |_| round);
                    self.named(letter_id, selection, last_turn, limit).await?
                }
                None => self.free(selection, round, limit, &lost).await?,
            };
            taken.more = more;
            let none = free.is_empty();
            let leases = stream::iter(free).map(async |kept| {
                let letter_id = kept.letter.letter_id.clone();
                (letter_id, self.lease(kept, lease_ms).await)
            });
            let leases: Vec<_> = leases.buffered(AT_ONCE).collect().await;
            let mut failed = None;
            for (letter_id, lease) in leases {
                match lease {
                    Ok(Some(lease)) => taken.leases.push(lease),
                    Ok(None) => _ = lost.insert(letter_id),
                    Err(failure) => failed = Some(failure),
                }
            }
            match failed {
                // Those that are held must not be dropped with the failure: nobody could settle them.
                Some(_) if !taken.leases.is_empty() => taken.more = true,
                Some(failure) => return Err(failure),
                None => {}
            }
            if none || !taken.leases.is_empty() {
                break;
            }
        }
        Ok(taken)
    }

    /// The round of a call. A round that another host began may go beyond the end of the queue as the index shows it here; a number
    /// that no host can have given counts only up to the end.
    fn round(&self, asked: Option<u64>, end: u64) -> u64 {
        match asked {
            Some(round) if round.saturating_sub(end) <= AHEAD => {
                self.last_turn.fetch_max(round, Ordering::SeqCst);
                round
            }
            _ => end,
        }
    }

    /// The letter of this name, if a call of `take` would lease it.
    async fn named(
        &self,
        letter_id: &str,
        selection: &Selection,
        last_turn: u64,
        limit: u32,
    ) -> Result<(Vec<Kept>, bool), Failure> {
        let mut page = Fill::new(limit);
        let found = self.find(letter_id).await?;
        let now = (self.clock)();
        if let Some(kept) =
            found.filter(|kept| kept.turn <= last_turn && kept.is_free(selection, now))
        {
            let bytes = kept.letter.envelope.len();
            page.push(kept, bytes);
        }
        Ok(page.finish())
    }

    /// The letters of a round that a call of `take` would lease, and whether more follow.
    async fn free(
        &self,
        selection: &Selection,
        round: u64,
        limit: u32,
        without: &HashSet<String>,
    ) -> Result<(Vec<Kept>, bool), Failure> {
        let mut page = Fill::new(limit);
        let range = Range {
            to: names::numbered(round.saturating_add(1), ""),
            ..self.letters(Index::Queue)
        };
        let mut letters = Letters::of(self, range, limit);
        while let Some(kept) = letters.next_free(selection, &self.clock).await? {
            if without.contains(&kept.letter.letter_id) {
                continue;
            }
            let bytes = kept.letter.envelope.len();
            if !page.push(kept, bytes) {
                break;
            }
        }
        Ok(page.finish())
    }

    /// Leases a letter and moves it to the end of the queue, unless another host has changed it since it was read.
    async fn lease(&self, kept: Kept, lease_ms: u32) -> Result<Option<Lease>, Failure> {
        let now = (self.clock)();
        let receipt = receipt();
        let Stored { mut document, tag } = kept.stored;
        let letter_id = &kept.letter.letter_id;
        document.queue = Some(names::numbered(self.next_turn(), letter_id));
        let until = later(now, Duration::from_millis(lease_ms.into()));
        document.fields = letter::lease(document.fields, &receipt, now, until);
        let leased = self.documents.replace(document, &tag).await?;
        Ok(leased.then_some(Lease {
            letter: kept.letter,
            receipt,
            turn: kept.turn,
        }))
    }

    async fn settle(&self, letter_id: &str, receipt: &str) -> Result<bool, Failure> {
        for _ in 0..RACES {
            let Some(kept) = self.held(letter_id, receipt).await? else {
                return Ok(false);
            };
            let Stored { document, tag } = kept.stored;
            if self.documents.remove(&document.address, &tag).await? {
                return Ok(true);
            }
        }
        Err(contended())
    }

    async fn release(
        &self,
        letter_id: &str,
        receipt: &str,
        turn: Option<u64>,
    ) -> Result<bool, Failure> {
        for _ in 0..RACES {
            let Some(kept) = self.held(letter_id, receipt).await? else {
                return Ok(false);
            };
            let turn = turn.map_or(kept.turn, |turn| turn.min(kept.turn));
            let Stored { mut document, tag } = kept.stored;
            document.queue = Some(names::numbered(turn, letter_id));
            letter::free(&mut document.fields);
            if self.documents.replace(document, &tag).await? {
                return Ok(true);
            }
        }
        Err(contended())
    }

    /// The letter, if the receipt is the one of its last lease.
    async fn held(&self, letter_id: &str, receipt: &str) -> Result<Option<Kept>, Failure> {
        let found = self.find(letter_id).await?;
        Ok(found.filter(|kept| {
            let lease = kept.lease.as_ref();
            lease.is_some_and(|lease| lease.receipt == receipt)
        }))
    }

    async fn find(&self, letter_id: &str) -> Result<Option<Kept>, Failure> {
        let found = self.documents.get(&self.letter_address(letter_id)).await?;
        found.map(Kept::read).transpose()
    }

    fn letter_address(&self, letter_id: &str) -> Address {
        names::address(
            Table::DeadLetters,
            self.letters_partition(),
            &[&self.twin, letter_id],
        )
    }

    /// All letters of the twin, in one of their orders.
    pub(crate) fn letters(&self, index: Index) -> Range {
        Range {
            table: Table::DeadLetters,
            partition: self.letters_partition(),
            index,
            from: names::START.to_owned(),
            to: names::END.to_owned(),
            descending: false,
        }
    }

    fn letters_partition(&self) -> String {
        format!("{}/dead-letters", self.twin)
    }

    /// Looks for the last turn of the queue. The queue may have had later ones, which this process remembers if it gave or saw them.
    async fn end_of_queue(&self) -> Result<u64, Failure> {
        let backwards = Range {
            descending: true,
            ..self.letters(Index::Queue)
        };
        let last = self.documents.query(&backwards, 1).await?;
        let last = last.documents.first();
        let last = last.and_then(|last| names::number_of(last.document.place(Index::Queue)?));
        let last = last.unwrap_or(0);
        Ok(self.last_turn.fetch_max(last, Ordering::SeqCst).max(last))
    }

    fn next_turn(&self) -> u64 {
        self.last_turn
            .fetch_add(1, Ordering::SeqCst)
            .saturating_add(1)
    }

    /// The number of a letter that is stored now: the time, and never one that this process has given already.
    fn next_number(&self, now: Instant) -> u64 {
        let now = u64::try_from(now).unwrap_or(0);
        let next = |last: u64| now.max(last.saturating_add(1));
        let update = |last| Some(next(last));
        let last = self
            .last_number
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, update);
        last.map_or(now, next)
    }
}

/// Letters in one of their orders. One that cannot be read is passed over: it must not keep all others from being listed and
/// replayed.
struct Letters<'a, D> {
    found: Merge<'a, D>,
}

impl<'a, D: Documents> Letters<'a, D> {
    fn of(inner: &'a Inner<D>, range: Range, limit: u32) -> Self {
        Self {
            found: Merge::of(&inner.documents, [range], limit),
        }
    }

    async fn next(&mut self) -> Result<Option<Kept>, Failure> {
        while let Some(stored) = self.found.next().await? {
            let key = stored.document.address.key.clone();
            match Kept::read(stored) {
                Ok(kept) => return Ok(Some(kept)),
                Err(failure) => {
                    tracing::warn!(key, cause = %failure, "a dead letter cannot be read, and is passed over");
                    self.found.skip();
                }
            }
        }
        Ok(None)
    }

    /// The next letter of a selection that is free by this clock.
    async fn next_free(
        &mut self,
        selection: &Selection,
        clock: &Clock,
    ) -> Result<Option<Kept>, Failure> {
        while let Some(kept) = self.next().await? {
            // The clock is read after the document: a lease is not older than the time by which it is judged.
            if kept.is_free(selection, clock()) {
                return Ok(Some(kept));
            }
            self.found.skip();
        }
        Ok(None)
    }
}

fn behind(place: &Place) -> String {
    names::after(names::numbered(place.number, &place.letter_id))
}

fn contended() -> Failure {
    Failure::Unavailable("other hosts kept changing the same letter".to_owned())
}
