//! Dead letters: keeping what could not be delivered, and showing it. `GET /dead-letters`, `GET /dead-letters/{id}`.

use twin_contract::{
    Attempt as ShownAttempt, ContractError, DeadLetter, Page, Timestamp, letter_id,
};
use twin_guest::{
    Request, Response,
    bindings::{
        circuits,
        dead_letter_replay::{self as store, StoredLetter},
        dead_letters::{self, Attempt, Letter},
        types::Failure,
    },
    digest::sha256,
    events::{self, Incident, Severity},
    gate, log, reply,
};

use crate::deliver::{Fate, Message};

/// Letters on a page if none is asked for, and at most.
const LIMITS: (u32, u32) = (100, 1000);

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
            publish(message, &cause).await;
            Fate::Kept
        }
        Err(failure) => {
            let why = reply::describe(&failure);
            log::error(
                "dead letter not stored",
                &[
                    ("id", message.id.as_str()),
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
    if let Some(ago_ms) = spoken_ago(&key).await {
        events::postpone(&key, count, ago_ms);
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

/// How long ago another instance spoke, in milliseconds, if that was in the last ten seconds. If not, it is this one's
/// turn, and the others are told so. If the store cannot say, better twice than never.
async fn spoken_ago(key: &str) -> Option<u64> {
    let last = circuits::load(key.to_owned()).await.ok()?;
    let spoken_ms = last.state.parse::<u64>().unwrap_or(0);
    let ago_ms = last.now_ms.saturating_sub(spoken_ms);
    if last.version > 0 && ago_ms < events::INTERVAL_MS {
        return Some(ago_ms);
    }
    let now = last.now_ms.to_string();
    match circuits::compare_and_swap(key.to_owned(), last.version, now).await {
        Err(circuits::SwapFailure::Conflict(_)) => Some(0),
        Ok(_) | Err(circuits::SwapFailure::Store(_)) => None,
    }
}

/// `GET /dead-letters?limit&cursor`: oldest first.
pub(crate) async fn list(request: &Request) -> Result<Response, Response> {
    gate::admit(request, &["GET"]).await?;
    let (cursor, limit) = parameters(&request.query).map_err(|error| reply::refused(&error))?;
    let found = store::list(cursor, limit)
        .await
        .map_err(|failure| store_failed(&failure))?;
    let mut page = Page::default();
    for letter in found.letters {
        page.push_raw(&to_json(letter));
    }
    Ok(reply::json(200, page.finish(found.next.as_deref())))
}

/// `GET /dead-letters/{id}`.
pub(crate) async fn show(request: &Request, letter_id: &str) -> Result<Response, Response> {
    gate::admit(request, &["GET"]).await?;
    let found = store::get(letter_id.to_owned())
        .await
        .map_err(|failure| store_failed(&failure))?;
    Ok(match found {
        Some(letter) => reply::json(200, to_json(letter).into_bytes()),
        None => reply::error(404, "LETTER_NOT_FOUND", "there is no such dead letter"),
    })
}

/// What a store's failure is to whoever looks after letters.
pub(crate) fn store_failed(failure: &Failure) -> Response {
    let cause = reply::describe(failure);
    log::error("dead letters not reachable", &[("cause", &cause)]);
    reply::store_failed(failure)
}

fn parameters(query: &str) -> Result<(Option<String>, u32), ContractError> {
    let (mut cursor, mut limit) = (None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "cursor" if cursor.is_none() => cursor = Some(value.into_owned()),
            "limit" if limit.is_none() => {
                let parsed = value.parse().ok();
                limit = Some(
                    parsed
                        .filter(|limit| (1..=LIMITS.1).contains(limit))
                        .ok_or(ContractError::ParameterInvalid {
                            parameter: "limit",
                            expected: "a number from 1 to 1000",
                        })?,
                );
            }
            _ => return Err(ContractError::ParameterUnknown(name.into_owned())),
        }
    }
    Ok((cursor, limit.unwrap_or(LIMITS.0)))
}

fn to_json(stored: StoredLetter) -> String {
    let time = |micros| Timestamp::from_micros(micros).to_string();
    let letter = stored.letter;
    let shown = DeadLetter {
        letter_id: letter.letter_id,
        id: letter.id,
        peer: letter.peer,
        trace_id: letter.trace_id,
        attempts: letter
            .attempts
            .into_iter()
            .map(|attempt| ShownAttempt {
                at: time(attempt.at),
                status: attempt.status,
                cause: attempt.cause,
            })
            .collect(),
        first_failure_at: time(letter.first_failure_at),
        last_failure_at: time(letter.last_failure_at),
        stored_at: time(stored.stored_at),
        leased_until: stored.leased_until.map(time),
        envelope: DeadLetter::embed(letter.envelope),
    };
    // Strings, numbers and valid JSON always serialize.
    serde_json::to_string(&shown).unwrap_or_default()
}
