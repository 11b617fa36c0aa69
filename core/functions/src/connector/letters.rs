//! Dead letters: stores messages that could not be delivered.

use std::time::Duration;

use twin_capabilities::{
    Circuits, DeadLetters, Failure,
    circuits::SwapFailure,
    dead_letters::{Attempt, Letter},
};
use twin_contract::letter_id;
use twin_delivery::StoreTime;

use super::message::Message;
use crate::{
    Call,
    events::{self, EventCode, Incident},
    windows::INTERVAL,
    worlds,
};

/// Stores a message as a dead letter.
///
/// # Errors
/// If it could not be stored, which has already been logged and reported.
pub(super) async fn keep<C: worlds::Connector>(
    call: &Call<'_, C>,
    message: &Message,
    attempts: Vec<Attempt>,
) -> Result<(), Failure> {
    let (first, last) = (attempts.first(), attempts.last());
    let cause = last.map_or_else(String::new, |last| last.cause.clone());
    let (peer, id) = (message.peer().as_str(), message.id.as_str());
    let letter = Letter {
        letter_id: letter_id(peer, id, &message.envelope, C::sha256),
        id: id.to_owned(),
        peer: peer.to_owned(),
        trace_id: message.trace_id.clone(),
        envelope: message.envelope.clone(),
        first_failure_at: first.map_or(0, |first| first.at),
        last_failure_at: last.map_or(0, |last| last.at),
        attempts,
    };
    let stored = DeadLetters::push(call.capabilities(), letter).await;
    match &stored {
        Ok(()) => {
            message.log(call, "message became a dead letter", &cause);
            publish(call, message, &cause).await;
        }
        Err(failure) => {
            let why = failure.to_string();
            call.error("dead letter not stored", &message.fields(&why));
            let incident = Incident {
                component: message.component(),
                code: EventCode::DeadLetterNotStored,
                message: &format!(
                    "neither delivered to {peer} ({cause}) nor stored ({why}): its sender got a 503"
                ),
                payload: Some(&message.envelope),
            };
            events::publish_seldom(call, incident).await;
        }
    }
    stored
}

/// Publishes at most one event per peer in ten seconds, across all instances as far as possible: each instance counts its
/// own occurrences, and the circuits' store determines which one publishes.
async fn publish<C: worlds::Connector>(call: &Call<'_, C>, message: &Message, cause: &str) {
    let code = EventCode::DeliveryDeadLettered;
    let peer = message.peer();
    let key = format!("event/{peer}/{}", code.as_str());
    let windows = &call.context().windows;
    let Some(count) = windows.due(&key, call.mono()) else {
        return;
    };
    if let Some(ago) = published_ago(call.capabilities(), &key).await {
        windows.postpone(&key, count, call.mono().before(ago));
        return;
    }
    let text = match count {
        1 => format!("1 message for {peer} became a dead letter: {cause}"),
        _ => format!(
            "{count} messages for {peer} became dead letters since the last report; the last one: {cause}"
        ),
    };
    let incident = Incident {
        component: message.component(),
        code,
        message: &text,
        payload: Some(&message.envelope),
    };
    events::publish(call, incident).await;
}

/// How long ago another instance published, if that was in the last ten seconds. If not, this instance records that it
/// publishes now. If the store fails, publishing twice is better than not at all.
async fn published_ago(circuits: &impl Circuits, key: &str) -> Option<Duration> {
    let last = circuits.load(key.to_owned()).await.ok()?;
    let now = StoreTime::from_millis(last.now_ms);
    let published = StoreTime::from_millis(last.state.parse().unwrap_or(0));
    let ago = now.since(published);
    // A time in the future was stored before the clock was set back, so it was not in the last ten seconds.
    if last.version > 0 && published <= now && ago < INTERVAL {
        return Some(ago);
    }
    let now = last.now_ms.to_string();
    let swapped = circuits.compare_and_swap(key.to_owned(), last.version, now);
    match swapped.await {
        Err(SwapFailure::Conflict(_)) => Some(Duration::ZERO),
        Ok(_) | Err(SwapFailure::Store(_)) => None,
    }
}
