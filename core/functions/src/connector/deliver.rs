//! Delivers one message: attempts, waits, and storing a dead letter. `twin_delivery` decides what to do.

use std::{pin::pin, time::Duration};

use futures_util::future::{Either, select};
use twin_capabilities::{Clock, Lifecycle, dead_letters::Attempt};
use twin_contract::reply::Custody;
use twin_delivery::{Deadline, DeliverySettings, GiveUp, Next, Signal, Verdict};

use super::{
    circuit::{self, Gate},
    letters,
    message::Message,
};
use crate::{
    Call,
    attempts::Attempts,
    events::{self, EventCode, Incident},
    peer, worlds,
};

/// The interval between checks of the circuit while a delivery waits.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Where the message is after the delivery.
#[derive(Debug)]
pub(super) enum Fate {
    /// The peer has it.
    Delivered { custody: Custody, id: String },
    /// It is a dead letter.
    DeadLettered,
    /// Not accepted: its id belongs to another message.
    Conflict,
    /// Not sent: no such peer is bound.
    Unbound,
    /// Not sent: this host lacks a resource for sending.
    Exhausted,
    /// Neither delivered nor stored as a dead letter.
    NotStored,
}

/// Delivers a message, or stores it as a dead letter before the deadline.
pub(super) async fn deliver<C: worlds::Connector>(
    call: &Call<'_, C>,
    message: &Message,
    deadline: Deadline,
    settings: &DeliverySettings,
) -> Fate {
    let (layer, breaker) = (message.layer, settings.breaker());
    let mut failed = Vec::new();
    // Whether the last attempt failed because this host lacked a resource.
    let mut exhausted = false;
    let mut attempts = Attempts::new(deadline, settings);
    loop {
        if !attempts.has_time(call) {
            let payload = Some(message.envelope.as_slice());
            events::report_shortage(call, message.component(), deadline, payload).await;
            failed.push(attempt(call, None, "no time left for an attempt"));
            break;
        }
        let gate = circuit::admit(call, layer, breaker).await;
        if gate == Gate::Closed {
            exhausted = false;
            failed.push(attempt(call, None, "circuit open"));
            break;
        }
        let timeout = attempts.timeout(call);
        // Each attempt sends a copy: if the attempt fails, the message is needed for the next one or for its letter.
        let envelope = message.envelope.clone();
        let sent = peer::post(call, message.peer(), &message.id, envelope, timeout).await;
        let probing = gate == Gate::Probe;
        circuit::record(call, layer, Signal::of(&sent), probing).await;
        let verdict = Verdict::of(&sent, call.now());
        exhausted = matches!(verdict, Verdict::Exhausted { .. });
        // The failure; for an attempt that may be repeated, also the time that the peer asked for.
        let (status, cause, again) = match verdict {
            Verdict::Delivered { custody, id } => return Fate::Delivered { custody, id },
            Verdict::Conflict => {
                message.log(call, "message refused", "its id belongs to another message");
                return Fate::Conflict;
            }
            Verdict::Unbound => {
                message.log(call, "peer not bound", "its configuration lacks one");
                return Fate::Unbound;
            }
            Verdict::Permanent { status, cause } => (status, cause, None),
            Verdict::Retryable {
                status,
                cause,
                retry_after,
            } => (status, cause, Some(retry_after)),
            Verdict::Exhausted { cause } => (None, cause, Some(None)),
        };
        failed.push(attempt(call, status, &cause));
        let Some(retry_after) = again.filter(|_| !probing) else {
            // A probe is one attempt.
            break;
        };
        match attempts.next(call, retry_after) {
            Next::Wait(span) => {
                if let Some(cause) = wait(call, message, span, settings).await {
                    failed.push(attempt(call, None, cause));
                    break;
                }
            }
            Next::GiveUp(reason) => {
                annotate(&mut failed, reason);
                break;
            }
        }
    }
    if exhausted {
        return not_sent(call, message, &failed).await;
    }
    match letters::keep(call, message, failed).await {
        Ok(()) => Fate::DeadLettered,
        Err(_) => Fate::NotStored,
    }
}

/// Leaves a message with its sender. This host could not send it, but a letter is not needed, because the sender can still
/// be told.
async fn not_sent<C: worlds::Connector>(
    call: &Call<'_, C>,
    message: &Message,
    failed: &[Attempt],
) -> Fate {
    let last = failed.iter().rfind(|attempt| attempt.status.is_none());
    let cause = last.map_or("", |attempt| attempt.cause.as_str());
    message.log(call, "message not sent", cause);
    let incident = Incident {
        component: message.component(),
        code: EventCode::ResourcesExhausted,
        message: &format!(
            "a message for {} was left with its sender: {cause}",
            message.peer()
        ),
        payload: None,
    };
    events::publish_seldom(call, incident).await;
    Fate::Exhausted
}

/// Waits to retry. Returns why the wait ended early, if it did.
async fn wait<C: worlds::Connector>(
    call: &Call<'_, C>,
    message: &Message,
    span: Duration,
    settings: &DeliverySettings,
) -> Option<&'static str> {
    let end = call.mono().after(span);
    let mut draining = pin!(Lifecycle::draining(call.capabilities()));
    loop {
        let left = end.since(call.mono());
        if left.is_zero() {
            return None;
        }
        let slice = pin!(Clock::sleep(call.capabilities(), left.min(LOOK_AGAIN)));
        if let Either::Right(_) = select(slice, draining.as_mut()).await {
            return Some("host draining");
        }
        if circuit::has_opened(call, message.layer, settings.breaker()).await {
            return Some("circuit open");
        }
    }
}

/// An attempt that failed just now.
fn attempt(call: &Call<'_, impl Clock>, status: Option<u16>, cause: &str) -> Attempt {
    Attempt {
        at: call.now().as_micros(),
        status,
        cause: cause.to_owned(),
    }
}

/// Adds to the last attempt why none followed, if that is not obvious from the number of attempts.
fn annotate(failed: &mut [Attempt], reason: GiveUp) {
    let why = match reason {
        GiveUp::RetriesExhausted => return,
        GiveUp::RetryAfterTooLong => "; the peer asked for more than 30 s",
        GiveUp::NoTimeLeft => "; no time left for another attempt",
    };
    if let Some(last) = failed.last_mut() {
        last.cause.push_str(why);
    }
}
