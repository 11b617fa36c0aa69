//! Delivering one message: attempts, waits, and the way to the dead letters. What to do is `twin_delivery`'s to say.

use std::{pin::pin, time::Duration};

use futures_util::future::{Either, select};
use twin_contract::{Layer, MessageId, reply::Custody};
use twin_delivery::{Deadline, DeliverySettings, GiveUp, Next, Signal, Verdict};
use twin_guest::{
    bindings::{dead_letters::Attempt, lifecycle},
    clock,
    events::{self, Incident, Severity},
    log, peer,
};

use crate::{
    circuit::{self, Gate},
    letters,
};

/// Between two looks at the circuit while a delivery waits.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A message with everything that each attempt needs.
#[derive(Debug)]
pub(crate) struct Message {
    /// Who gets it.
    pub(crate) peer: &'static str,
    /// The layer it goes to.
    pub(crate) layer: Layer,
    /// Its identity.
    pub(crate) id: MessageId,
    /// Its trace, for its letter.
    pub(crate) trace_id: Option<String>,
    /// Its bytes.
    pub(crate) envelope: Vec<u8>,
}

impl Message {
    /// The connector's name in system errors.
    pub(crate) const fn component(&self) -> &'static str {
        component_before(self.layer)
    }

    /// The one log line of a delivery that failed.
    pub(crate) fn log(&self, what: &str, cause: &str) {
        log::warn(
            what,
            &[
                ("id", self.id.as_str()),
                ("trace", self.trace_id.as_deref().unwrap_or_default()),
                ("peer", self.peer),
                ("cause", cause),
            ],
        );
    }
}

/// The name in system errors of the connector that sends to a layer: it stands in the layer before it.
pub(crate) const fn component_before(layer: Layer) -> &'static str {
    match layer {
        Layer::L2 => "L1-Connector",
        Layer::L3 => "L2-Connector",
    }
}

/// The peer that receives what is meant for a layer.
pub(crate) const fn peer_of(layer: Layer) -> &'static str {
    match layer {
        Layer::L2 => "ingestion",
        Layer::L3 => "writer",
    }
}

/// The layer that a peer is in; none if no connector sends to it.
pub(crate) fn layer_of(peer: &str) -> Option<Layer> {
    let mut layers = Layer::ALL.iter().copied();
    layers.find(|layer| peer_of(*layer) == peer)
}

/// Where a message ended.
#[derive(Debug)]
pub(crate) enum Fate {
    /// With somebody else.
    Delivered { custody: Custody, id: String },
    /// Among the dead letters.
    Kept,
    /// Nowhere: its id belongs to another message.
    Conflict,
    /// Nowhere: nobody is bound to receive it.
    Unbound,
    /// Nowhere: this side lacks what it takes to send.
    Exhausted,
    /// Nowhere: not even the dead letters could take it.
    Lost,
}

/// Delivers a message, or brings it to safety before the deadline.
pub(crate) async fn deliver(
    message: &Message,
    deadline: Deadline,
    settings: &DeliverySettings,
) -> Fate {
    let mut attempts = Vec::new();
    // Whether the last attempt failed for want of something on this side.
    let mut exhausted = false;
    for retries in 0.. {
        if !deadline.allows_attempt(clock::mono()) {
            events::report_shortage(message.component(), deadline, Some(&message.envelope)).await;
            attempts.push(failed(None, "no time left for an attempt"));
            break;
        }
        let gate = circuit::admit(message, settings.breaker()).await;
        if gate == Gate::Closed {
            exhausted = false;
            attempts.push(failed(None, "circuit open"));
            break;
        }
        let timeout = deadline.attempt_timeout(clock::mono(), settings.attempt_timeout);
        let sent = peer::post(message.peer, &message.id, &message.envelope, timeout).await;
        let Some(outcome) = sent.outcome() else {
            message.log("peer not bound", "its configuration lacks one");
            return Fate::Unbound;
        };
        let probing = gate == Gate::Probe;
        circuit::record(message, Signal::of(&outcome), probing).await;
        let verdict = Verdict::of(&outcome, clock::now());
        exhausted = matches!(verdict, Verdict::Exhausted { .. });
        let (status, cause, retry_after) = match verdict {
            Verdict::Delivered { custody, id } => return Fate::Delivered { custody, id },
            Verdict::Conflict => {
                message.log("message refused", "its id belongs to another message");
                return Fate::Conflict;
            }
            Verdict::Permanent { status, cause } => {
                attempts.push(failed(status, &cause));
                break;
            }
            Verdict::Retryable {
                status,
                cause,
                retry_after,
            } => (status, cause, retry_after),
            Verdict::Exhausted { cause } => (None, cause, None),
        };
        attempts.push(failed(status, &cause));
        if probing {
            // A probe is one attempt.
            break;
        }
        let left = deadline.time_left(clock::mono());
        match (settings.retry).next(retries, retry_after, left, clock::random_u64()) {
            Next::Wait(span) => {
                if let Some(cause) = wait(message, span, settings).await {
                    attempts.push(failed(None, cause));
                    break;
                }
            }
            Next::GiveUp(reason) => {
                annotate(&mut attempts, reason);
                break;
            }
        }
    }
    if exhausted {
        return not_sent(message, &attempts).await;
    }
    letters::keep(message, attempts).await
}

/// Leaves a message with its sender: this side could not send it, and that is no reason for a letter while the sender can
/// still be told.
async fn not_sent(message: &Message, attempts: &[Attempt]) -> Fate {
    let last = attempts.iter().rfind(|attempt| attempt.status.is_none());
    let cause = last.map_or("", |attempt| attempt.cause.as_str());
    message.log("message not sent", cause);
    events::publish_seldom(Incident {
        severity: Severity::Warning,
        component: message.component(),
        code: "RESOURCES_EXHAUSTED",
        message: &format!(
            "a message for {} was left with its sender: {cause}",
            message.peer
        ),
        payload: None,
    })
    .await;
    Fate::Exhausted
}

/// Waits to retry. Returns why the wait ended early, if it did.
async fn wait(
    message: &Message,
    span: Duration,
    settings: &DeliverySettings,
) -> Option<&'static str> {
    let end = clock::mono().after(span);
    let mut draining = pin!(lifecycle::draining());
    loop {
        let left = end.since(clock::mono());
        if left.is_zero() {
            return None;
        }
        let slice = pin!(clock::sleep(left.min(LOOK_AGAIN)));
        if let Either::Right(_) = select(slice, draining.as_mut()).await {
            return Some("host draining");
        }
        if circuit::has_opened(message.peer, settings.breaker()).await {
            return Some("circuit open");
        }
    }
}

fn failed(status: Option<u16>, cause: &str) -> Attempt {
    Attempt {
        at: clock::now().as_micros(),
        status,
        cause: cause.to_owned(),
    }
}

/// Says with the last attempt why there was none after it, where that is not plain from their number.
fn annotate(attempts: &mut [Attempt], reason: GiveUp) {
    let why = match reason {
        GiveUp::RetriesExhausted => return,
        GiveUp::RetryAfterTooLong => "; the peer asked for more than 30 s",
        GiveUp::NoTimeLeft => "; no time left for another attempt",
    };
    if let Some(last) = attempts.last_mut() {
        last.cause.push_str(why);
    }
}
