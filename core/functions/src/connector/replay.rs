//! `POST /dead-letters/replay`: sends letters again, with their own id and trace, and removes those that were delivered.
//!
//! A replay happens only on command, so it does not check the circuit: the command implies that the peer works again, and a
//! success closes the circuit. If the peer does not work, attempts in progress fail and the other letters stay in the
//! queue. Two replays at the same time share the work: each letter is leased to one of them.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use twin_capabilities::{
    DeadLetters,
    dead_letters::{Lease, Letter, Place, Selection},
};
use twin_contract::{
    Access, Layer, LetterSummary, MessageId, ReplayCommand, ReplayFailure, ReplayMode,
    ReplayPreview, ReplayReport, Timestamp, no_parameters,
};
use twin_delivery::{DeliverySettings, Signal, Verdict, millis};

use super::{
    circuit,
    letter_routes::store_failed,
    message::{Message, layer_of},
};
use crate::{
    Call, Request, Response, attempts::Attempts, gate, peer, refused::Refused, reply, settings,
    worlds,
};

/// Letters sent at once.
const AT_ONCE: usize = 16;
/// Letters leased at once.
const BATCH: u32 = 64;
/// How much longer a lease lasts than the function's own deadline.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// The outcome for one letter.
enum Replayed {
    Arrived,
    Failed(String),
    Postponed,
    /// Not tried, because there was no time left.
    NotReached,
}

/// A letter that this command holds: only what is needed to release it, because there may be a thousand of them.
struct Held {
    letter_id: String,
    receipt: String,
    /// The turn that it gets back if it was not tried.
    turn: Option<u64>,
}

/// What the letters of one command share.
struct Replay<'a, C> {
    call: &'a Call<'a, C>,
    attempts: Attempts<'a>,
    settings: &'a DeliverySettings,
    /// Layers whose peer was found to be down.
    down: Mutex<Vec<Layer>>,
}

/// Replays letters until the round has none left, the limit is reached, or the time is up; a dry run only lists them.
pub(super) async fn replay<C: worlds::Connector>(
    call: &Call<'_, C>,
    request: &Request,
) -> Result<Response, Refused> {
    let arrived = call.mono();
    gate::admit(call, request, &["POST"], Access::Operation).await?;
    no_parameters(&request.query)?;
    let command = ReplayCommand::parse(&request.body)?;
    let selection = Selection {
        letter_id: command.letter_id,
        peer: command.peer,
        before: command.before.map(Timestamp::as_micros),
    };
    let round = match command.mode {
        ReplayMode::DryRun { after } => {
            return preview(call, selection, after, command.limit).await;
        }
        ReplayMode::Send { round } => round,
    };
    let settings = &settings::for_request(call).await?.delivery;
    let deadline = gate::deadline(request, arrived, settings);
    let replay = Replay {
        call,
        attempts: Attempts::new(deadline, settings),
        settings,
        down: Mutex::default(),
    };
    let report = replay.all(selection, round, command.limit).await?;
    Ok(reply::document(200, &report))
}

/// Lists what a replay would send, in order.
async fn preview<C: worlds::Connector>(
    call: &Call<'_, C>,
    selection: Selection,
    after: Option<Place>,
    limit: u32,
) -> Result<Response, Refused> {
    let page = DeadLetters::preview(call.capabilities(), selection, after, limit)
        .await
        .map_err(|failure| store_failed(call, failure))?;
    let letters = page.letters.into_iter().map(|letter| LetterSummary {
        letter_id: letter.letter_id,
        id: letter.id,
        peer: letter.peer,
        stored_at: Timestamp::from_micros(letter.stored_at).to_string(),
    });
    let letters: Vec<_> = letters.collect();
    let preview = ReplayPreview {
        dry_run: true,
        count: letters.len(),
        letters,
        next: page.next.map(|place| place.to_cursor()),
    };
    Ok(reply::document(200, &preview))
}

impl<C: worlds::Connector> Replay<'_, C> {
    /// Sends letters of a round, batch by batch.
    async fn all(
        &self,
        selection: Selection,
        mut round: Option<u64>,
        mut left: u32,
    ) -> Result<ReplayReport, Refused> {
        let letters = self.call.capabilities();
        let lease_ms = millis(self.settings.function_deadline.saturating_add(LEASE_MARGIN));
        let lease_ms = u32::try_from(lease_ms).unwrap_or(u32::MAX);
        let mut report = ReplayReport::default();
        // Their leases are held until the end, so another replay does not send them again at the same time.
        let mut staying: Vec<Held> = Vec::new();
        let mut more = false;
        while left > 0 && self.attempts.has_time(self.call) {
            let limit = left.min(BATCH);
            let take = DeadLetters::take(letters, selection.clone(), round, limit, lease_ms);
            let taken = match take.await {
                Ok(taken) => taken,
                Err(failure) if report.reached() == 0 => {
                    return Err(store_failed(self.call, failure));
                }
                // What was done so far is reported. What is left is unknown.
                Err(_) => {
                    more = true;
                    break;
                }
            };
            (round, more) = (Some(taken.round), taken.more);
            if taken.leases.is_empty() {
                break;
            }
            let count = u32::try_from(taken.leases.len()).unwrap_or(u32::MAX);
            left = left.saturating_sub(count);
            let mut results = stream::iter(taken.leases)
                .map(|lease| self.one(lease))
                .buffer_unordered(AT_ONCE);
            while let Some((held, replayed)) = results.next().await {
                more |= matches!(replayed, Replayed::NotReached);
                staying.extend(note(&mut report, held, replayed));
            }
        }
        // The time may be up, so they are released concurrently: a store can commit many at once.
        stream::iter(staying)
            .for_each_concurrent(BATCH as usize, |held| async move {
                // If this fails, the lease simply expires.
                let _ =
                    DeadLetters::release(letters, held.letter_id, held.receipt, held.turn).await;
            })
            .await;
        report.next = round.filter(|_| more).map(|round| round.to_string());
        Ok(report)
    }

    /// Sends one letter once.
    async fn one(&self, lease: Lease) -> (Held, Replayed) {
        let mut letter = lease.letter;
        let mut held = Held {
            letter_id: std::mem::take(&mut letter.letter_id),
            receipt: lease.receipt,
            turn: None,
        };
        let replayed = match as_message(letter) {
            None => Replayed::Failed("no peer takes this letter".to_owned()),
            Some(_) if !self.attempts.has_time(self.call) => {
                held.turn = Some(lease.turn);
                Replayed::NotReached
            }
            Some(message) if self.down().contains(&message.layer) => Replayed::Postponed,
            Some(message) => self.send(&held, message).await,
        };
        (held, replayed)
    }

    async fn send(&self, held: &Held, message: Message) -> Replayed {
        let (call, layer, peer) = (self.call, message.layer, message.peer());
        circuit::refresh(call, layer, self.settings.breaker()).await;
        let timeout = self.attempts.timeout(call);
        let sent = peer::post(call, peer, &message.id, message.envelope, timeout).await;
        circuit::record(call, layer, Signal::of(&sent), false).await;
        match Verdict::of(&sent, call.now()) {
            Verdict::Delivered { .. } => self.settle(held).await,
            Verdict::Unbound => Replayed::Failed("no such peer is bound".to_owned()),
            Verdict::Conflict => Replayed::Failed("HTTP 409".to_owned()),
            // Nothing was sent, and the next letter could not be sent either.
            Verdict::Exhausted { .. } => {
                self.down().push(layer);
                Replayed::Postponed
            }
            Verdict::Permanent { cause, .. } => Replayed::Failed(cause),
            Verdict::Retryable { cause, .. } => {
                self.down().push(layer);
                Replayed::Failed(cause)
            }
        }
    }

    async fn settle(&self, held: &Held) -> Replayed {
        let letters = self.call.capabilities();
        let (letter_id, receipt) = (held.letter_id.clone(), held.receipt.clone());
        match DeadLetters::settle(letters, letter_id, receipt).await {
            Ok(true) => Replayed::Arrived,
            // It was delivered, but another replay now has the letter. Its peer will recognise the repetition.
            Ok(false) => Replayed::Postponed,
            Err(failure) => Replayed::Failed(format!("arrived, but not removed: {failure}")),
        }
    }

    fn down(&self) -> MutexGuard<'_, Vec<Layer>> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the outcome for a letter, and returns the letter if it stays.
fn note(report: &mut ReplayReport, held: Held, replayed: Replayed) -> Option<Held> {
    match replayed {
        Replayed::Arrived => {
            report.replayed += 1;
            return None;
        }
        Replayed::Postponed => report.postponed += 1,
        Replayed::Failed(cause) => {
            report.failed += 1;
            let letter_id = held.letter_id.clone();
            report.failures.push(ReplayFailure { letter_id, cause });
        }
        Replayed::NotReached => {}
    }
    Some(held)
}

/// The message inside a letter; `None` if no connector sends to its peer.
fn as_message(letter: Letter) -> Option<Message> {
    Some(Message {
        layer: layer_of(&letter.peer)?,
        id: MessageId::parse(&letter.id).ok()?,
        trace_id: letter.trace_id,
        envelope: letter.envelope,
    })
}
