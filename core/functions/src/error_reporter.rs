//! The error reporter: stores what the error topic delivers, then notifies the management backend.
//! `POST /errors`, `GET /errors`.
//!
//! It never reports its own failures as system errors, because that could create an endless loop. They are log lines.

use std::time::Duration;

use twin_capabilities::{
    Failure,
    peers::Peer,
    records::{Entry, Outcome},
};
use twin_contract::{Access, MessageId, Query, SystemError, registry::collection, reply::Custody};

use crate::{
    Call, Context, Request, Response, gate, listing, peer,
    refused::{self, Refused},
    reply, settings, worlds,
};

/// How long the management backend may take. Its answer does not affect the stored error.
const NOTIFY_TIMEOUT: Duration = Duration::from_secs(2);

const METHODS: [&str; 2] = ["GET", "POST"];

/// Answers a request.
pub async fn handle<C: worlds::ErrorReporter>(context: &Context<C>, request: Request) -> Response {
    let call = Call::of(context, &request);
    refused::response(match request.method.as_str() {
        "GET" => list(&call, &request).await,
        _ => report(&call, &request).await,
    })
}

async fn report<C: worlds::ErrorReporter>(
    call: &Call<'_, C>,
    request: &Request,
) -> Result<Response, Refused> {
    gate::admit(call, request, &METHODS, Access::Data).await?;
    let given = gate::given_id(request)?;
    let error = SystemError::parse(&request.body)?;
    let body = error.to_json();
    let id = given.unwrap_or_else(|| MessageId::of_envelope(&body, C::sha256));
    let entry = Entry {
        // A record's key needs a device. For system errors it is the twin's name.
        device_id: settings::for_request(call).await?.twin.clone(),
        time: error.instant().as_micros(),
        id: id.to_string(),
        message_type: "system-error".to_owned(),
        digest: C::sha256(&body),
        body: body.clone(),
    };
    let stored = call
        .capabilities()
        .put(collection::SYSTEM_ERRORS.to_owned(), vec![entry]);
    match stored.await.pop() {
        Some(Ok(Outcome::Stored(_))) => notify(call, &id, body).await,
        // The topic delivers at least once; the backend was notified of the first delivery.
        Some(Ok(Outcome::Duplicate(_))) => {}
        Some(Ok(Outcome::Conflict)) => {
            return Err(reply::id_reused().into());
        }
        Some(Err(failure)) => return Err(store_failed(call, failure)),
        None => {
            let failure = Failure::Other("the store returned no outcome".to_owned());
            return Err(store_failed(call, failure));
        }
    }
    Ok(reply::custody(Custody::Received, id.as_str()))
}

/// Makes one attempt. If it fails, the backend can still read the error with `GET /errors`.
async fn notify<C: worlds::ErrorReporter>(call: &Call<'_, C>, id: &MessageId, error: Vec<u8>) {
    use twin_capabilities::peers::SendFailure::UnknownPeer;

    let cause = match peer::post(call, Peer::Management, id, error, NOTIFY_TIMEOUT).await {
        Err(UnknownPeer) => return,
        Ok(reply) if (200..300).contains(&reply.status) => return,
        Ok(reply) => format!("HTTP {}", reply.status),
        Err(failure) => failure.to_string(),
    };
    let fields = [("id", id.as_str()), ("cause", &cause)];
    call.warn("management not notified", &fields);
}

async fn list<C: worlds::ErrorReporter>(
    call: &Call<'_, C>,
    request: &Request,
) -> Result<Response, Refused> {
    gate::admit(call, request, &METHODS, Access::Operation).await?;
    let query = Query::of_all(&request.query)?;
    let twin = settings::for_request(call).await?.twin.clone();
    listing::list(call, collection::SYSTEM_ERRORS, twin, query)
        .await
        .map_err(|failure| store_failed(call, failure))
}

fn store_failed<C: worlds::ErrorReporter>(call: &Call<'_, C>, failure: Failure) -> Refused {
    call.store_failed("system errors not reachable", failure)
}
