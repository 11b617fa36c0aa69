//! A dead letter as a document has it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use twin_capabilities::{
    Failure, Instant,
    dead_letters::{Attempt, Letter, Selection, StoredLetter},
};

use crate::{
    document::{Fields, Missing, Stored, Value},
    names,
    store::unreadable,
};

const RECEIPT: &str = "receipt";
const LEASED_SINCE: &str = "leased_since";
const LEASED_UNTIL: &str = "leased_until";

/// A letter as a document has it.
pub(crate) struct Kept {
    pub(crate) stored: Stored,
    pub(crate) letter: Letter,
    /// Its place in the list.
    pub(crate) number: u64,
    /// Its place in the queue.
    pub(crate) turn: u64,
    pub(crate) stored_at: Instant,
    pub(crate) lease: Option<Held>,
}

/// The last lease of a letter, which may have ended.
pub(crate) struct Held {
    pub(crate) receipt: String,
    since: Instant,
    until: Instant,
}

impl Kept {
    /// Reads the letter of a document.
    ///
    /// # Errors
    /// If something else wrote the document.
    pub(crate) fn read(stored: Stored) -> Result<Self, Failure> {
        let fields = &stored.document.fields;
        let kept = || -> Result<_, Missing> {
            let attempts: Vec<WrittenAttempt<'_>> =
                serde_json::from_str(fields.text_of("attempts")?)
                    .map_err(|_| Missing("attempts"))?;
            let letter = Letter {
                letter_id: fields.text_of("letter_id")?.to_owned(),
                id: fields.text_of("id")?.to_owned(),
                peer: fields.text_of("peer")?.to_owned(),
                trace_id: fields.text_of("trace_id").ok().map(str::to_owned),
                envelope: fields.bytes_of("envelope")?.to_vec(),
                attempts: attempts.into_iter().map(WrittenAttempt::read).collect(),
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
        Ok(Self {
            stored,
            letter,
            number,
            turn,
            stored_at,
            lease,
        })
    }

    /// Whether it belongs to the selection and is not leased.
    pub(crate) fn is_free(&self, selection: &Selection, now: Instant) -> bool {
        self.leased_until(now).is_none() && selection.includes(&self.letter, self.stored_at)
    }

    /// When its lease ends, if it is leased now.
    pub(crate) fn leased_until(&self, now: Instant) -> Option<Instant> {
        let held = self.lease.as_ref()?;
        // A lease that is further in the future than it is long was taken while a clock was wrong. Less than that is what the
        // clocks of two hosts may differ by.
        let length = held.until.saturating_sub(held.since);
        let earliest = held.since.saturating_sub(length);
        (earliest..held.until).contains(&now).then_some(held.until)
    }

    /// As callers see it.
    pub(crate) fn shown(self, now: Instant) -> StoredLetter {
        StoredLetter {
            leased_until: self.leased_until(now),
            letter: self.letter,
            stored_at: self.stored_at,
        }
    }
}

/// Adds a lease to a letter's fields.
pub(crate) fn lease(fields: Fields, receipt: &str, since: Instant, until: Instant) -> Fields {
    fields
        .text(RECEIPT, receipt)
        .number(LEASED_SINCE, since)
        .number(LEASED_UNTIL, until)
}

/// Removes the lease from a letter's fields.
pub(crate) fn free(fields: &mut Fields) {
    for field in [RECEIPT, LEASED_SINCE, LEASED_UNTIL] {
        fields.0.remove(field);
    }
}

/// An attempt as the document has it.
#[derive(Serialize, Deserialize)]
pub(crate) struct WrittenAttempt<'a> {
    at: Instant,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    status: Option<u16>,
    cause: Cow<'a, str>,
}

impl<'a> WrittenAttempt<'a> {
    pub(crate) fn of(attempt: &'a Attempt) -> Self {
        Self {
            at: attempt.at,
            status: attempt.status,
            cause: Cow::Borrowed(&attempt.cause),
        }
    }

    fn read(self) -> Attempt {
        Attempt {
            at: self.at,
            status: self.status,
            cause: self.cause.into_owned(),
        }
    }
}

/// The fields of a letter's document.
pub(crate) fn written(letter: Letter, stored_at: Instant) -> Fields {
    let attempts: Vec<_> = letter.attempts.iter().map(WrittenAttempt::of).collect();
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
