//! Looking at dead letters, and giving them up. `GET /dead-letters`, `GET /dead-letters/{id}`, `DELETE /dead-letters/{id}`.

use twin_contract::{
    Access, Attempt, ContractError, DeadLetter, DiscardReason, LetterPlace, LetterQuery, Page,
    Timestamp, no_parameters, reply::discarded_body,
};
use twin_guest::{
    Request, Response,
    bindings::{
        credentials::Caller,
        dead_letter_replay::{self as store, Lease, Place, Selection, StoredLetter},
        types::Failure,
    },
    digest::sha256,
    events::{self, Incident, Severity},
    gate, reply,
};

use crate::{
    deliver::{component_before, layer_of},
    letters::store_failed,
};

/// How long a letter is held while it is discarded, in milliseconds.
const DISCARD_LEASE_MS: u32 = 10_000;

/// `GET /dead-letters?limit&cursor`: oldest first.
pub(crate) async fn list(request: &Request) -> Result<Response, Response> {
    gate::admit(request, &["GET"], Access::Operation).await?;
    let query = LetterQuery::parse(&request.query).map_err(refused)?;
    let after = query.after.map(place);
    let found = store::list(after, query.limit)
        .await
        .map_err(|failure| store_failed(&failure))?;
    let mut page = Page::default();
    for letter in found.letters {
        page.push_raw(&to_json(letter));
    }
    let next = found.next.map(|place| cursor(place).to_cursor());
    Ok(reply::json(200, page.finish(next.as_deref())))
}

/// `/dead-letters/{id}`: one letter.
pub(crate) async fn one(request: &Request, letter_id: &str) -> Result<Response, Response> {
    let caller = gate::admit(request, &["GET", "DELETE"], Access::Operation).await?;
    if request.method == "DELETE" {
        let reason = DiscardReason::parse(&request.query).map_err(refused)?;
        return discard(&caller, letter_id, &reason).await;
    }
    no_parameters(&request.query).map_err(refused)?;
    Ok(match find(letter_id).await? {
        Some(letter) => reply::json(200, to_json(letter).into_bytes()),
        None => not_found(),
    })
}

/// Gives a letter up, for a reason. The report comes first: a letter that is gone without one could not be accounted for. If
/// the letter cannot be removed after that, it stays, and discarding it again reports it again.
async fn discard(
    caller: &Caller,
    letter_id: &str,
    reason: &DiscardReason,
) -> Result<Response, Response> {
    let selection = Selection {
        letter_id: Some(letter_id.to_owned()),
        peer: None,
        before: None,
    };
    let taken = store::take(selection, None, 1, DISCARD_LEASE_MS)
        .await
        .map_err(|failure| store_failed(&failure))?;
    let (lease, damaged) = match taken.leases.into_iter().next() {
        Some(lease) => (lease, false),
        None => (hold_damaged(letter_id).await?, true),
    };
    if report(caller, &lease, damaged, reason).await.is_err() {
        // If this fails, too, the lease ends by itself.
        let _ = store::release(letter_id.to_owned(), lease.receipt, Some(lease.turn)).await;
        return Err(reply::try_again(
            "DISCARD_NOT_REPORTED",
            "the discard could not be reported as a system error: the letter stays",
        ));
    }
    match store::settle(letter_id.to_owned(), lease.receipt).await {
        Ok(true) => Ok(reply::json(200, discarded_body(letter_id))),
        Ok(false) => Err(leased()),
        Err(failure) => Err(store_failed(&failure)),
    }
}

/// Leases a letter that no replay can take because it is damaged.
async fn hold_damaged(letter_id: &str) -> Result<Lease, Response> {
    let taken = store::take_damaged(letter_id.to_owned(), DISCARD_LEASE_MS)
        .await
        .map_err(|failure| store_failed(&failure))?;
    if let Some(lease) = taken {
        return Ok(lease);
    }
    Err(match find(letter_id).await? {
        Some(_) => leased(),
        None => not_found(),
    })
}

/// Says who discards what, and why. The content is not repeated: it may be the reason.
async fn report(
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
        sha256(&letter.envelope),
        reason.as_str(),
    );
    events::try_publish(Incident {
        severity: Severity::Info,
        component: layer_of(&letter.peer).map_or("Connector", component_before),
        code: "LETTER_DISCARDED",
        message: &message,
        payload: None,
    })
    .await
}

async fn find(letter_id: &str) -> Result<Option<StoredLetter>, Response> {
    let found = store::get(letter_id.to_owned()).await;
    found.map_err(|failure| store_failed(&failure))
}

fn not_found() -> Response {
    reply::error(404, "LETTER_NOT_FOUND", "there is no such dead letter")
}

fn leased() -> Response {
    reply::error(
        409,
        "LETTER_LEASED",
        "a replay or another discard holds this letter: look again in a moment",
    )
}

pub(crate) fn refused(error: ContractError) -> Response {
    reply::refused(&error)
}

/// A place in the store's words.
pub(crate) fn place(place: LetterPlace) -> Place {
    Place {
        number: place.number,
        letter_id: place.letter_id,
    }
}

/// A place of the store, which a cursor is made of.
pub(crate) fn cursor(place: Place) -> LetterPlace {
    LetterPlace {
        number: place.number,
        letter_id: place.letter_id,
    }
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
