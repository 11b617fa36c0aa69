//! `POST /dead-letters/replay`: sends letters again, with their own id and trace, and removes what arrived.
//!
//! It happens only on command, so it does not ask the circuit: whoever commands knows that the peer is back, and a success
//! closes the circuit. If the peer is not back after all, what is under way fails and the rest stays where it is.
//! Two replays at once share the work: each letter is leased to one of them.

use std::{cell::RefCell, collections::HashSet, time::Duration};

use futures_util::{StreamExt, stream};
use twin_contract::{
    Access, LetterPlace, LetterSummary, MessageId, ReplayCommand, ReplayFailure, ReplayMode,
    ReplayPreview, ReplayReport, Timestamp, no_parameters,
};
use twin_delivery::{Deadline, DeliverySettings, Signal, Verdict, millis};
use twin_guest::{
    Request, Response,
    bindings::dead_letter_replay::{self as store, Lease, Selection},
    clock, gate, peer, reply, settings,
};

use crate::{
    circuit,
    deliver::{Message, layer_of, peer_of},
    letter_routes::{cursor, place, refused},
    letters::store_failed,
};

/// Letters under way at once.
const AT_ONCE: usize = 16;
/// Letters leased at once.
const BATCH: u32 = 64;
/// What a lease lasts beyond the function's own deadline.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

/// What came of one letter.
enum Replayed {
    Arrived,
    Failed(String),
    Postponed,
    /// The time was up before its turn came.
    NotReached,
}

/// A letter that is given back at the end: what that takes and no more, since there may be a thousand of them.
struct Staying {
    letter_id: String,
    receipt: String,
    /// The turn that it gets back, if it was not reached.
    turn: Option<u64>,
}

/// What the letters of one command share.
struct Replay {
    deadline: Deadline,
    settings: DeliverySettings,
    /// Peers that turned out to be down.
    down: RefCell<HashSet<&'static str>>,
}

/// Replays letters until none is left of the round, the limit is reached, or the time is up; or says which it would.
pub(crate) async fn replay(request: &Request) -> Result<Response, Response> {
    let arrived = clock::mono();
    gate::admit(request, &["POST"], Access::Operation).await?;
    no_parameters(&request.query).map_err(refused)?;
    let command = ReplayCommand::parse(&request.body).map_err(refused)?;
    let selection = Selection {
        letter_id: command.letter_id,
        peer: command.peer,
        before: command.before.map(Timestamp::as_micros),
    };
    let round = match command.mode {
        ReplayMode::DryRun { after } => return preview(selection, after, command.limit).await,
        ReplayMode::Send { round } => round,
    };
    let settings = settings::for_request().await?.delivery;
    let replay = Replay {
        deadline: gate::deadline(request, arrived, &settings),
        settings,
        down: RefCell::default(),
    };
    let report = replay.all(selection, round, command.limit).await?;
    Ok(reply::document(200, &report))
}

/// What a replay would send, in its order.
async fn preview(
    selection: Selection,
    after: Option<LetterPlace>,
    limit: u32,
) -> Result<Response, Response> {
    let page = store::preview(selection, after.map(place), limit)
        .await
        .map_err(|failure| store_failed(&failure))?;
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
        next: page.next.map(|place| cursor(place).to_cursor()),
    };
    Ok(reply::document(200, &preview))
}

impl Replay {
    /// Sends letters of a round, batch by batch.
    async fn all(
        &self,
        selection: Selection,
        mut round: Option<u64>,
        mut left: u32,
    ) -> Result<ReplayReport, Response> {
        let deadline = self.settings.function_deadline;
        let lease_ms = millis(deadline.saturating_add(LEASE_MARGIN));
        let lease_ms = u32::try_from(lease_ms).unwrap_or(u32::MAX);
        let mut report = ReplayReport::default();
        // Their leases are held until the end, so that another replay does not send them at once again.
        let mut staying: Vec<Staying> = Vec::new();
        let mut more = false;
        while left > 0 && self.has_time() {
            let take = store::take(selection.clone(), round, left.min(BATCH), lease_ms);
            let taken = match take.await {
                Ok(taken) => taken,
                Err(failure) if report.reached() == 0 => return Err(store_failed(&failure)),
                // What was done until now is worth a report. What is left is not known.
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
            while let Some((lease, replayed)) = results.next().await {
                let mut turn = None;
                match replayed {
                    Replayed::Arrived => {
                        report.replayed += 1;
                        continue;
                    }
                    Replayed::Postponed => report.postponed += 1,
                    Replayed::Failed(cause) => {
                        report.failed += 1;
                        let letter_id = lease.letter.letter_id.clone();
                        report.failures.push(ReplayFailure { letter_id, cause });
                    }
                    Replayed::NotReached => {
                        more = true;
                        turn = Some(lease.turn);
                    }
                }
                staying.push(Staying {
                    letter_id: lease.letter.letter_id,
                    receipt: lease.receipt,
                    turn,
                });
            }
        }
        // The time may be up: not one by one, so that a store that commits many at once can do so.
        stream::iter(staying)
            .for_each_concurrent(BATCH as usize, async |letter| {
                // If this fails, the lease ends by itself.
                let _ = store::release(letter.letter_id, letter.receipt, letter.turn).await;
            })
            .await;
        report.next = round.filter(|_| more).map(|round| round.to_string());
        Ok(report)
    }

    fn has_time(&self) -> bool {
        self.deadline.allows_attempt(clock::mono())
    }

    /// Sends one letter once.
    async fn one(&self, lease: Lease) -> (Lease, Replayed) {
        let replayed = match as_message(&lease) {
            None => Replayed::Failed("no peer takes this letter".to_owned()),
            Some(_) if !self.has_time() => Replayed::NotReached,
            Some(message) if self.down.borrow().contains(message.peer) => Replayed::Postponed,
            Some(message) => self.send(&lease, &message).await,
        };
        (lease, replayed)
    }

    async fn send(&self, lease: &Lease, message: &Message) -> Replayed {
        circuit::refresh(message.peer, self.settings.breaker()).await;
        let timeout = self
            .deadline
            .attempt_timeout(clock::mono(), self.settings.attempt_timeout);
        let sent = peer::post(message.peer, &message.id, &message.envelope, timeout).await;
        let Some(outcome) = sent.outcome() else {
            return Replayed::Failed("no such peer is bound".to_owned());
        };
        circuit::record(message, Signal::of(&outcome), false).await;
        match Verdict::of(&outcome, clock::now()) {
            Verdict::Delivered { .. } => self.settle(lease).await,
            Verdict::Conflict => Replayed::Failed("HTTP 409".to_owned()),
            // Nothing was sent, and the next letter would fare no better.
            Verdict::Exhausted { .. } => {
                self.down.borrow_mut().insert(message.peer);
                Replayed::Postponed
            }
            Verdict::Permanent { cause, .. } => Replayed::Failed(cause),
            Verdict::Retryable { cause, .. } => {
                self.down.borrow_mut().insert(message.peer);
                Replayed::Failed(cause)
            }
        }
    }

    async fn settle(&self, lease: &Lease) -> Replayed {
        let (letter_id, receipt) = (lease.letter.letter_id.clone(), lease.receipt.clone());
        match store::settle(letter_id, receipt).await {
            Ok(true) => Replayed::Arrived,
            // It arrived, but another replay has the letter now, and will find it received.
            Ok(false) => Replayed::Postponed,
            Err(failure) => Replayed::Failed(format!(
                "arrived, but not removed: {}",
                reply::describe(&failure)
            )),
        }
    }
}

/// The message inside a letter; none if no connector sends to its peer.
fn as_message(lease: &Lease) -> Option<Message> {
    let letter = &lease.letter;
    let layer = layer_of(&letter.peer)?;
    Some(Message {
        peer: peer_of(layer),
        layer,
        id: MessageId::parse(&letter.id).ok()?,
        trace_id: letter.trace_id.clone(),
        envelope: letter.envelope.clone(),
    })
}
