//! Dead letters: keeping what could not be delivered.

use std::time::Duration;

use twin_contract::letter_id;
use twin_delivery::StoreTime;
use twin_guest::{
    Response,
    bindings::{
        circuits,
        dead_letters::{self, Attempt, Letter},
        types::Failure,
    },
    digest::sha256,
    events::{self, Incident, Severity},
    log, reply,
};

use crate::deliver::{Fate, Message};

/// Brings a message to safety.
pub(crate) async fn keep(message: &Message, attempts: Vec<Attempt>) -> Fate {
    let (first, last) = (attempts.first(), attempts.last());
    let cause = last.map_or_else(String::new, |last| last.cause.clone());
    let letter = Letter {
        letter_id: letter_id(message.peer, message.id.as_str(), &message.envelope, sha256),
        id: message.id.to_string(),
        peer: message.peer.to_owned(),
        trace_id: message.trace_id.clone(),
        envelope: message.envelope.clone(),
        first_failure_at: first.map_or(0, |first| first.at),
        last_failure_at: last.map_or(0, |last| last.at),
        attempts,
    };
    match dead_letters::push(letter).await {
        Ok(()) => {
            message.log("message became a dead letter", &cause);
            publish(message, &cause).await;
            Fate::Kept
        }
        Err(failure) => {
            let why = reply::describe(&failure);
            log::error(
                "dead letter not stored",
                &[
                    ("id", message.id.as_str()),
                    ("trace", message.trace_id.as_deref().unwrap_or_default()),
                    ("peer", message.peer),
                    ("cause", &why),
                ],
            );
            events::publish_seldom(Incident {
                severity: Severity::Critical,
                component: message.component(),
                code: "DEAD_LETTER_NOT_STORED",
                message: &format!(
                    "neither delivered to {} ({cause}) nor stored ({why}): the sender was told so",
                    message.peer
                ),
                payload: Some(&message.envelope),
            })
            .await;
            Fate::Lost
        }
    }
}

/// At most one event per peer in ten seconds, counted over all instances as far as one can: each counts its own, and the
/// circuits' store decides who may speak.
async fn publish(message: &Message, cause: &str) {
    const CODE: &str = "DELIVERY_DEAD_LETTERED";
    let key = format!("event/{}/{CODE}", message.peer);
    let Some(count) = events::due(&key) else {
        return;
    };
    if let Some(ago) = spoken_ago(&key).await {
        events::postpone(&key, count, ago);
        return;
    }
    let text = match count {
        1 => format!(
            "1 message for {} became a dead letter: {cause}",
            message.peer
        ),
        _ => format!(
            "{count} messages for {} became dead letters since the last report; the last one: {cause}",
            message.peer
        ),
    };
    events::publish(Incident {
        severity: Severity::Warning,
        component: message.component(),
        code: CODE,
        message: &text,
        payload: Some(&message.envelope),
    })
    .await;
}

/// How long ago another instance spoke, if that was in the last ten seconds. If not, it is this one's
/// turn, and the others are told so. If the store cannot say, better twice than never.
async fn spoken_ago(key: &str) -> Option<Duration> {
    let last = circuits::load(key.to_owned()).await.ok()?;
    let now = StoreTime::from_millis(last.now_ms);
    let spoken = StoreTime::from_millis(last.state.parse().unwrap_or(0));
    let ago = now.since(spoken);
    // A time that has not come yet is from before the clock was set back: that was not in the last ten seconds.
    if last.version > 0 && spoken <= now && ago < events::INTERVAL {
        return Some(ago);
    }
    let now = last.now_ms.to_string();
    match circuits::compare_and_swap(key.to_owned(), last.version, now).await {
        Err(circuits::SwapFailure::Conflict(_)) => Some(Duration::ZERO),
        Ok(_) | Err(circuits::SwapFailure::Store(_)) => None,
    }
}

/// What a store's failure is to whoever looks after letters.
pub(crate) fn store_failed(failure: &Failure) -> Response {
    let cause = reply::describe(failure);
    log::error("dead letters not reachable", &[("cause", &cause)]);
    reply::store_failed(failure)
}
