//! The error reporter: stores what the error topic delivers, then tells the management backend. `POST /errors`,
//! `GET /errors`.
//!
//! It never reports about itself: an error about errors would feed on itself. Its own failures are log lines.

use std::time::Duration;

use twin_contract::{
    Access, MessageId, Query, SystemError,
    reply::{Custody, ID_REUSED},
};
use twin_guest::{
    Function, Request, Response,
    bindings::{
        records::{self, Entry, Outcome},
        types::Failure,
    },
    digest::sha256,
    gate, listing, log,
    peer::{self, Sent},
    reply, settings,
};

const COLLECTION: &str = "system-errors";
/// How long the management application may take: it is told, not waited for.
const NOTIFY_TIMEOUT: Duration = Duration::from_secs(2);

struct ErrorReporter;

impl Function for ErrorReporter {
    async fn handle(request: Request) -> Response {
        let answered = match request.method.as_str() {
            "GET" => list(&request).await,
            _ => report(&request).await,
        };
        answered.unwrap_or_else(|response| response)
    }
}

const METHODS: [&str; 2] = ["GET", "POST"];

/// The response is an `Err` where the request ended early.
async fn report(request: &Request) -> Result<Response, Response> {
    gate::admit(request, &METHODS, Access::Data).await?;
    let given = gate::given_id(request)?;
    let error = SystemError::parse(&request.body).map_err(|error| reply::refused(&error))?;
    let body = error.to_json();
    let id = given.unwrap_or_else(|| MessageId::of_envelope(&body, sha256));
    let entry = Entry {
        // The records' key needs a device: of errors, it is the twin they are about.
        device_id: settings::for_request().await?.twin.clone(),
        time: error.instant().as_micros(),
        id: id.to_string(),
        message_type: "system-error".to_owned(),
        digest: sha256(&body),
        body: body.clone(),
    };
    let outcomes = records::put(COLLECTION.to_owned(), vec![entry])
        .await
        .map_err(|failure| store_failed(&failure))?;
    match outcomes.first() {
        Some(Outcome::Stored(_)) => notify(&id, &body).await,
        // The topic delivers at least once; the backend was told the first time.
        Some(Outcome::Duplicate(_)) => {}
        Some(Outcome::Conflict) => {
            let message = "this id belongs to another system error";
            return Err(reply::error(409, ID_REUSED, message));
        }
        None => {
            return Err(reply::error(
                500,
                "STORE_FAILED",
                "the store gave no outcome",
            ));
        }
    }
    Ok(reply::custody(Custody::Received, id.as_str()))
}

/// One attempt: whoever misses it finds the error by `GET /errors`.
async fn notify(id: &MessageId, error: &[u8]) {
    let cause = match peer::post("management", id, error, NOTIFY_TIMEOUT).await {
        Sent::Unbound => return,
        Sent::Reply(reply) if (200..300).contains(&reply.status) => return,
        Sent::Reply(reply) => format!("HTTP {}", reply.status),
        Sent::Failure(failure) => format!("{failure:?}"),
    };
    log::warn(
        "management not notified",
        &[("id", id.as_str()), ("cause", &cause)],
    );
}

async fn list(request: &Request) -> Result<Response, Response> {
    gate::admit(request, &METHODS, Access::Operation).await?;
    let query = Query::of_all(&request.query).map_err(|error| reply::refused(&error))?;
    let twin = settings::for_request().await?.twin.clone();
    listing::list(COLLECTION, twin, query)
        .await
        .map_err(|failure| store_failed(&failure))
}

fn store_failed(failure: &Failure) -> Response {
    let cause = reply::describe(failure);
    log::error("system errors not reachable", &[("cause", &cause)]);
    reply::store_failed(failure)
}

twin_guest::export_function!(ErrorReporter);
