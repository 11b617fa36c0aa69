//! Listing, showing and discarding dead letters. `GET /dead-letters`, `GET /dead-letters/{id}`,
//! `DELETE /dead-letters/{id}`.

use twin_capabilities::{
    DeadLetters, Failure,
    credentials::Caller,
    dead_letters::{Lease, Selection, StoredLetter},
};
use twin_contract::{
    Access, Attempt, DeadLetter, DiscardReason, ErrorCode, LetterQuery, Page, Timestamp,
    no_parameters, registry::component::connector_before, reply::discarded_body,
};

use super::message::layer_of;
use crate::{
    Call, Request, Response,
    events::{self, EventCode, Incident},
    gate,
    refused::Refused,
    reply, worlds,
};

/// How long a letter is leased while it is discarded, in milliseconds.
const DISCARD_LEASE_MS: u32 = 10_000;

/// `GET /dead-letters?limit&cursor`: oldest first.
pub(super) async fn list<C: worlds::Connector>(
    call: &Call<'_, C>,
    request: &Request,
) -> Result<Response, Refused> {
    gate::admit(call, request, &["GET"], Access::Operation).await?;
    let query = LetterQuery::parse(&request.query)?;
    let found = DeadLetters::list(call.capabilities(), query.after, query.limit)
        .await
        .map_err(|failure| store_failed(call, failure))?;
    let mut page = Page::default();
    for letter in found.letters {
        page.push_raw(&to_json(letter));
    }
    let next = found.next.map(|place| place.to_cursor());
    Ok(reply::json(200, page.finish(next.as_deref())))
}

/// `/dead-letters/{id}`: one letter.
pub(super) async fn one<C: worlds::Connector>(
    call: &Call<'_, C>,
    request: &Request,
    letter_id: &str,
) -> Result<Response, Refused> {
    let caller = gate::admit(call, request, &["GET", "DELETE"], Access::Operation).await?;
    if request.method == "DELETE" {
        let reason = DiscardReason::parse(&request.query)?;
        return discard(call, &caller, letter_id, &reason).await;
    }
    no_parameters(&request.query)?;
    match find(call, letter_id).await? {
        Some(letter) => Ok(reply::json(200, to_json(letter).into_bytes())),
        None => Err(not_found()),
    }
}

/// Discards a letter, for a reason. The report is published first, because a letter must not disappear without one. If the
/// letter cannot be removed after that, it stays, and discarding it again reports it again.
async fn discard<C: worlds::Connector>(
    call: &Call<'_, C>,
    caller: &Caller,
    letter_id: &str,
    reason: &DiscardReason,
) -> Result<Response, Refused> {
    let letters = call.capabilities();
    let selection = Selection {
        letter_id: Some(letter_id.to_owned()),
        peer: None,
        before: None,
    };
    let taken = DeadLetters::take(letters, selection, None, 1, DISCARD_LEASE_MS)
        .await
        .map_err(|failure| store_failed(call, failure))?;
    let (lease, damaged) = match taken.leases.into_iter().next() {
        Some(lease) => (lease, false),
        None => (hold_damaged(call, letter_id).await?, true),
    };
    if report(call, caller, &lease, damaged, reason).await.is_err() {
        // If this also fails, the lease simply expires.
        let _ = DeadLetters::release(
            letters,
            letter_id.to_owned(),
            lease.receipt,
            Some(lease.turn),
        )
        .await;
        return Err(Refused(reply::try_again(
            ErrorCode::DiscardNotReported,
            "the discard could not be reported as a system error: the letter stays",
        )));
    }
    match DeadLetters::settle(letters, letter_id.to_owned(), lease.receipt).await {
        Ok(true) => Ok(reply::json(200, discarded_body(letter_id))),
        Ok(false) => Err(leased()),
        Err(failure) => Err(store_failed(call, failure)),
    }
}

/// Leases a letter that no replay can take because it is damaged.
async fn hold_damaged<C: worlds::Connector>(
    call: &Call<'_, C>,
    letter_id: &str,
) -> Result<Lease, Refused> {
    let letters = call.capabilities();
    let taken = DeadLetters::take_damaged(letters, letter_id.to_owned(), DISCARD_LEASE_MS)
        .await
        .map_err(|failure| store_failed(call, failure))?;
    if let Some(lease) = taken {
        return Ok(lease);
    }
    Err(match find(call, letter_id).await? {
        Some(_) => leased(),
        None => not_found(),
    })
}

/// Reports who discards what, and why. The content is not repeated, because it may be the reason for the discard.
async fn report<C: worlds::Connector>(
    call: &Call<'_, C>,
    caller: &Caller,
    lease: &Lease,
    damaged: bool,
    reason: &DiscardReason,
) -> Result<(), Failure> {
    let letter = &lease.letter;
    let message = format!(
        "{} discarded {}dead letter {} for {} (message {}, envelope sha256 {}): {}",
        caller.name,
        if damaged { "damaged " } else { "" },
        letter.letter_id,
        letter.peer,
        letter.id,
        C::sha256(&letter.envelope),
        reason.as_str(),
    );
    let incident = Incident {
        component: layer_of(&letter.peer).map_or("Connector", connector_before),
        code: EventCode::LetterDiscarded,
        message: &message,
        payload: None,
    };
    events::try_publish(call, incident).await
}

async fn find<C: worlds::Connector>(
    call: &Call<'_, C>,
    letter_id: &str,
) -> Result<Option<StoredLetter>, Refused> {
    DeadLetters::get(call.capabilities(), letter_id.to_owned())
        .await
        .map_err(|failure| store_failed(call, failure))
}

fn not_found() -> Refused {
    reply::error(ErrorCode::LetterNotFound, "there is no such dead letter").into()
}

fn leased() -> Refused {
    Refused(reply::error(
        ErrorCode::LetterLeased,
        "a replay or another discard holds this letter: try again soon",
    ))
}

/// The dead letters' store failed; the cause is logged.
pub(super) fn store_failed<C: worlds::Connector>(call: &Call<'_, C>, failure: Failure) -> Refused {
    call.store_failed("dead letters not reachable", failure)
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
            .map(|attempt| Attempt {
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
