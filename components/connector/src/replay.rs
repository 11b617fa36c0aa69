//! `POST /dead-letters/replay`: sends letters again, with their own id and trace, and removes what arrived.
//!
//! It happens only on command, so it does not ask the circuit: whoever commands knows that the peer is back, and a success
//! closes the circuit. If the peer is not back after all, what is under way fails and the rest stays where it is.
//! Two replays at once share the work: each letter is leased to one of them.

use std::{cell::RefCell, collections::HashSet};

use futures_util::{StreamExt, stream};
use serde::Serialize;
use twin_contract::{Layer, MessageId, ReplayCommand};
use twin_delivery::{Deadline, DeliverySettings, Signal, Verdict};
use twin_guest::{
    Request, Response,
    bindings::dead_letter_replay::{self as store, Lease},
    clock, gate, peer, reply,
    settings::Settings,
};

use crate::{
    circuit,
    deliver::{Message, peer_of},
    letters,
};

/// Letters under way at once.
const AT_ONCE: usize = 16;
/// Letters leased at once.
const BATCH: u32 = 64;
/// What a lease lasts beyond the function's own deadline, in milliseconds.
const LEASE_MARGIN_MS: u64 = 5_000;

/// What came of a command.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// Letters that arrived and are gone from the store.
    replayed: u32,
    /// Letters that were tried and stay.
    failed: u32,
    /// Letters that stay untried, because their peer is down or the time is up.
    postponed: u32,
    /// Why each of the failed ones failed.
    failures: Vec<Failed>,
}

impl Report {
    const fn is_empty(&self) -> bool {
        self.replayed + self.failed + self.postponed == 0
    }
}

#[derive(Debug, Serialize)]
struct Failed {
    letter_id: String,
    cause: String,
}

/// What came of one letter.
enum Replayed {
    Arrived,
    Failed(String),
    Postponed,
}

/// What the letters of one command share.
struct Replay {
    deadline: Deadline,
    settings: DeliverySettings,
    /// Peers that turned out to be down.
    down: RefCell<HashSet<&'static str>>,
}

/// Replays letters until none is left, the limit is reached, or the time is up.
pub(crate) async fn replay(request: &Request) -> Result<Response, Response> {
    let arrived = clock::mono_ms();
    gate::admit(request, &["POST"]).await?;
    let ReplayCommand {
        letter_id,
        limit: mut left,
    } = ReplayCommand::parse(&request.body).map_err(|error| reply::refused(&error))?;
    let settings = Settings::load().await.delivery;
    let own_ms = settings.function_deadline_ms;
    let header = gate::header(request, "x-twin-timeout-ms");
    let replay = Replay {
        deadline: Deadline::new(arrived, own_ms, request.time_left_ms, header),
        settings,
        down: RefCell::default(),
    };
    let lease_ms = u32::try_from(own_ms.saturating_add(LEASE_MARGIN_MS)).unwrap_or(u32::MAX);

    let mut report = Report::default();
    // Their leases are held until the end, so that every batch brings other letters.
    let mut staying: Vec<(String, String)> = Vec::new();
    while left > 0 && replay.has_time() {
        let leases = match store::take(letter_id.clone(), left.min(BATCH), lease_ms).await {
            Ok(leases) if leases.is_empty() => break,
            Ok(leases) => leases,
            Err(failure) if report.is_empty() => return Err(letters::store_failed(&failure)),
            // What was done until now is worth a report.
            Err(_) => break,
        };
        left = left.saturating_sub(u32::try_from(leases.len()).unwrap_or(u32::MAX));
        let mut results = stream::iter(leases)
            .map(|lease| replay.one(lease))
            .buffer_unordered(AT_ONCE);
        while let Some((lease, replayed)) = results.next().await {
            match replayed {
                Replayed::Arrived => {
                    report.replayed += 1;
                    continue;
                }
                Replayed::Postponed => report.postponed += 1,
                Replayed::Failed(cause) => {
                    report.failed += 1;
                    report.failures.push(Failed {
                        letter_id: lease.letter.letter_id.clone(),
                        cause,
                    });
                }
            }
            staying.push((lease.letter.letter_id, lease.receipt));
        }
    }
    for (letter_id, receipt) in staying {
        // If this fails, the lease ends by itself.
        let _ = store::release(letter_id, receipt).await;
    }
    // Numbers and strings always serialize.
    let body = serde_json::to_vec(&report).unwrap_or_default();
    Ok(reply::json(200, body))
}

impl Replay {
    fn has_time(&self) -> bool {
        self.deadline.allows_attempt(clock::mono_ms())
    }

    /// Sends one letter once.
    async fn one(&self, lease: Lease) -> (Lease, Replayed) {
        let replayed = match as_message(&lease) {
            None => Replayed::Failed("no peer takes this letter".to_owned()),
            Some(message) if !self.has_time() || self.down.borrow().contains(message.peer) => {
                Replayed::Postponed
            }
            Some(message) => self.send(&lease, &message).await,
        };
        (lease, replayed)
    }

    async fn send(&self, lease: &Lease, message: &Message) -> Replayed {
        circuit::refresh(message.peer, &self.settings.breaker).await;
        let timeout_ms = self
            .deadline
            .attempt_timeout(clock::mono_ms(), self.settings.attempt_timeout_ms);
        let sent = peer::post(message.peer, &message.id, &message.envelope, timeout_ms).await;
        let Some(outcome) = sent.outcome() else {
            return Replayed::Failed("no such peer is bound".to_owned());
        };
        circuit::record(message, Signal::of(&outcome), false).await;
        match Verdict::of(&outcome, 0) {
            Verdict::Delivered { .. } => self.settle(lease).await,
            Verdict::Conflict => Replayed::Failed("HTTP 409".to_owned()),
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

/// The message inside a letter; none if its peer is none that a connector sends to.
fn as_message(lease: &Lease) -> Option<Message> {
    let letter = &lease.letter;
    let layer = Layer::ALL
        .iter()
        .copied()
        .find(|layer| peer_of(*layer) == letter.peer)?;
    Some(Message {
        peer: peer_of(layer),
        layer,
        id: MessageId::parse(&letter.id).ok()?,
        trace_id: letter.trace_id.clone(),
        envelope: letter.envelope.clone(),
    })
}
