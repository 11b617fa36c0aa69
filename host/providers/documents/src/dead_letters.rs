//! The interfaces `dead-letters` and `dead-letter-replay`: a letter is a document in two orders, by the time at which it was
//! stored and by its turn in the queue.
//!
//! No document counts letters or turns: it would be the one that every letter has to wait for. A letter's number is the store's
//! time, and its turn is one more than the last of the queue. So letters that are stored at the same moment may have the same
//! place, and then stand in the order of their ids.

use std::{collections::HashSet, sync::atomic::Ordering, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use twin_capabilities::{
    DeadLetters, Failure, Instant,
    dead_letters::{
        Attempt, Lease, Letter, Page, Place, PreviewPage, Selection, StoredLetter, Summary, Taken,
    },
    provider::{Clock, Fill, later, receipt},
};

use crate::{
    document::{Address, Document, Fields, Index, Missing, Range, Stored, Table, Value},
    documents::Documents,
    merge::Merge,
    names,
    store::{DocumentStore, Inner, unreadable},
};

/// How many letters of one call are leased at the same time.
const AT_ONCE: usize = 8;

/// By how many turns an index may be late.
const AHEAD: u64 = 100_000;

/// How often an operation on a letter is begun anew because another host changed the letter meanwhile.
const RACES: usize = 16;

const RECEIPT: &str = "receipt";
const LEASED_SINCE: &str = "leased_since";
const LEASED_UNTIL: &str = "leased_until";

#[async_trait]
impl<D: Documents> DeadLetters for DocumentStore<D> {
    async fn push(&self, letter: Letter) -> Result<(), Failure> {
        self.to_the_end(|inner| async move { inner.push(letter).await })
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

/// A letter as a document has it.
struct Kept {
    stored: Stored,
    letter: Letter,
    number: u64,
    turn: u64,
    stored_at: Instant,
    lease: Option<Held>,
}

struct Held {
    receipt: String,
    since: Instant,
    until: Instant,
}

impl<D: Documents> Inner<D> {
    async fn push(&self, letter: Letter) -> Result<(), Failure> {
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
            fields: written(letter, stored_at),
        };
        if self.documents.is_too_large(&document) {
            return Err(Failure::TooLarge);
        }
        // A letter that is there already stays as it is.
        self.documents.create(document).await.map(|_| ())
    }

    async fn list(&self, after: Option<Place>, limit: u32) -> Result<Page, Failure> {
        let mut range = self.letters(Index::Order);
        if let Some(place) = after {
            range.from = behind(&place);
        }
        let mut found = Merge::of(&self.documents, [range], limit);
        let mut page = Fill::new(limit);
        let mut last = None;
        let now = (self.clock)();
        while let Some(stored) = found.next().await? {
            let kept = match read(stored.clone()) {
                Ok(kept) => kept,
                Err(failure) => {
                    pass_over(&stored, &failure);
                    found.skip(&stored);
                    continue;
                }
            };
            let place = kept.place(kept.number);
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
        let mut free = Free::of(self, selection, range, limit);
        let mut page = Fill::new(limit);
        let mut last = None;
        while let Some(kept) = free.next().await? {
            let place = kept.place(kept.turn);
            if !page.push(kept.summary(), 0) {
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
            let (free, more) = self
                .free(selection, asked.map(|_| round), round, limit, &lost)
                .await?;
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

    /// The letters that a call of `take` would lease, and whether more follow in the round. `begun` is the round if the call continues
    /// one.
    async fn free(
        &self,
        selection: &Selection,
        begun: Option<u64>,
        round: u64,
        limit: u32,
        without: &HashSet<String>,
    ) -> Result<(Vec<Kept>, bool), Failure> {
        let mut page = Fill::new(limit);
        if let Some(letter_id) = &selection.letter_id {
            let found = self.find(letter_id).await?;
            let now = (self.clock)();
            // The index may not show its last turn yet.
            let in_round = |kept: &Kept| begun.is_none_or(|round| kept.turn <= round);
            let free = found.filter(|kept| in_round(kept) && kept.is_free(selection, now));
            if let Some(kept) = free.filter(|_| !without.contains(letter_id)) {
                let bytes = kept.letter.envelope.len();
                page.push(kept, bytes);
            }
            return Ok(page.finish());
        }
        let range = Range {
            to: names::numbered(round.saturating_add(1), ""),
            ..self.letters(Index::Queue)
        };
        let mut free = Free::of(self, selection, range, limit);
        while let Some(kept) = free.next().await? {
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
        document.fields = document
            .fields
            .text(RECEIPT, receipt.clone())
            .number(LEASED_SINCE, now)
            .number(LEASED_UNTIL, until);
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
            for field in [RECEIPT, LEASED_SINCE, LEASED_UNTIL] {
                document.fields.0.remove(field);
            }
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
        found.map(read).transpose()
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

/// The free letters of a selection, in the order of the queue.
struct Free<'a, D> {
    found: Merge<'a, D>,
    selection: &'a Selection,
    clock: &'a Clock,
}

impl<'a, D: Documents> Free<'a, D> {
    fn of(inner: &'a Inner<D>, selection: &'a Selection, range: Range, limit: u32) -> Self {
        Self {
            found: Merge::of(&inner.documents, [range], limit),
            selection,
            clock: &inner.clock,
        }
    }

    async fn next(&mut self) -> Result<Option<Kept>, Failure> {
        while let Some(stored) = self.found.next().await? {
            // Read after the document: a lease is not older than the time by which it is judged.
            let now = (self.clock)();
            match read(stored.clone()) {
                Ok(kept) if kept.is_free(self.selection, now) => return Ok(Some(kept)),
                Ok(_) => self.found.skip(&stored),
                Err(failure) => {
                    pass_over(&stored, &failure);
                    self.found.skip(&stored);
                }
            }
        }
        Ok(None)
    }
}

/// One letter that cannot be read must not keep all others from being listed and replayed.
fn pass_over(stored: &Stored, failure: &Failure) {
    let key = &stored.document.address.key;
    tracing::warn!(key, cause = %failure, "a dead letter cannot be read, and is passed over");
}

impl Kept {
    fn is_free(&self, selection: &Selection, now: Instant) -> bool {
        let Selection {
            letter_id,
            peer,
            before,
        } = selection;
        self.leased_until(now).is_none()
            && letter_id
                .as_ref()
                .is_none_or(|id| *id == self.letter.letter_id)
            && peer.as_ref().is_none_or(|peer| *peer == self.letter.peer)
            && before.is_none_or(|before| self.stored_at < before)
    }

    fn leased_until(&self, now: Instant) -> Option<Instant> {
        let held = self.lease.as_ref()?;
        // A lease that is further in the future than it is long was taken while a clock was wrong. Less than that is what the
        // clocks of two hosts may differ by.
        let length = held.until.saturating_sub(held.since);
        let earliest = held.since.saturating_sub(length);
        (earliest..held.until).contains(&now).then_some(held.until)
    }

    fn place(&self, number: u64) -> Place {
        Place {
            number,
            letter_id: self.letter.letter_id.clone(),
        }
    }

    fn summary(&self) -> Summary {
        Summary {
            letter_id: self.letter.letter_id.clone(),
            id: self.letter.id.clone(),
            peer: self.letter.peer.clone(),
            stored_at: self.stored_at,
        }
    }

    fn shown(self, now: Instant) -> StoredLetter {
        StoredLetter {
            leased_until: self.leased_until(now),
            letter: self.letter,
            stored_at: self.stored_at,
        }
    }
}

fn behind(place: &Place) -> String {
    names::after(names::numbered(place.number, &place.letter_id))
}

fn contended() -> Failure {
    Failure::Unavailable("other hosts kept changing the same letter".to_owned())
}

/// An attempt as the document has it.
#[derive(Serialize, Deserialize)]
struct WrittenAttempt {
    at: Instant,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    status: Option<u16>,
    cause: String,
}

fn written(letter: Letter, stored_at: Instant) -> Fields {
    let attempts: Vec<_> = letter
        .attempts
        .into_iter()
        .map(|Attempt { at, status, cause }| WrittenAttempt { at, status, cause })
        .collect();
    let fields = Fields::default()
        .text("letter_id", letter.letter_id)
        .text("id", letter.id)
        .text("peer", letter.peer)
        .with("envelope", Value::of(letter.envelope))
        // Numbers and texts only: it cannot fail.
        .text(
            "attempts",
            serde_json::to_string(&attempts).unwrap_or_default(),
        )
        .number("first_failure_at", letter.first_failure_at)
        .number("last_failure_at", letter.last_failure_at)
        .number("stored_at", stored_at);
    match letter.trace_id {
        Some(trace_id) => fields.text("trace_id", trace_id),
        None => fields,
    }
}

fn read(stored: Stored) -> Result<Kept, Failure> {
    let fields = &stored.document.fields;
    let kept = || -> Result<_, Missing> {
        let attempts: Vec<WrittenAttempt> =
            serde_json::from_str(fields.text_of("attempts")?).map_err(|_| Missing("attempts"))?;
        let letter = Letter {
            letter_id: fields.text_of("letter_id")?.to_owned(),
            id: fields.text_of("id")?.to_owned(),
            peer: fields.text_of("peer")?.to_owned(),
            trace_id: fields.text_of("trace_id").ok().map(str::to_owned),
            envelope: fields.bytes_of("envelope")?.to_vec(),
            attempts: attempts
                .into_iter()
                .map(|WrittenAttempt { at, status, cause }| Attempt { at, status, cause })
                .collect(),
            first_failure_at: fields.number_of("first_failure_at")?,
            last_failure_at: fields.number_of("last_failure_at")?,
        };
        let lease = match fields.text_of(RECEIPT) {
            Ok(receipt) => Some(Held {
                receipt: receipt.to_owned(),
                since: fields.number_of(LEASED_SINCE)?,
                until: fields.number_of(LEASED_UNTIL)?,
            }),
            Err(_) => None,
        };
        let number = names::number_of(&stored.document.order).ok_or(Missing("order"))?;
        let turn = stored.document.queue.as_deref().and_then(names::number_of);
        let turn = turn.ok_or(Missing("queue"))?;
        Ok((letter, lease, number, turn, fields.number_of("stored_at")?))
    };
    let (letter, lease, number, turn, stored_at) = kept().map_err(unreadable)?;
    Ok(Kept {
        stored,
        letter,
        number,
        turn,
        stored_at,
        lease,
    })
}
