//! The writer: receives envelopes for L3 and stores them. `POST /write`.

use twin_contract::{
    Access, Envelope, Layer, MessageId,
    reply::{Custody, ID_REUSED},
    without_bom,
};
use twin_guest::{
    Function, Request, Response,
    bindings::records::{self, Entry, Outcome},
    digest::sha256,
    events::{self, Incident, Severity},
    gate, log, reply,
};

/// The collection that `GET /read` reads.
const COLLECTION: &str = "messages";

struct Writer;

impl Function for Writer {
    async fn handle(request: Request) -> Response {
        write(&request).await.unwrap_or_else(|response| response)
    }
}

/// The response is an `Err` where the request ended early.
async fn write(request: &Request) -> Result<Response, Response> {
    gate::admit(request, &["POST"], Access::Data).await?;
    let given = gate::given_id(request)?;
    let envelope = Envelope::parse(&request.body)
        .and_then(|envelope| envelope.require_layer(Layer::L3).map(|()| envelope))
        .map_err(|error| reply::refused(&error))?;
    let id = given.unwrap_or_else(|| MessageId::of_envelope(&request.body, sha256));
    let entry = Entry {
        device_id: envelope.device_id.to_string(),
        time: envelope.timestamp.as_micros(),
        id: id.to_string(),
        message_type: envelope.message_type.to_string(),
        digest: envelope.payload_digest(sha256),
        body: without_bom(&request.body).to_vec(),
    };
    match records::put(COLLECTION.to_owned(), vec![entry]).await {
        Ok(outcomes) => Ok(match outcomes.first() {
            // A repetition is answered like the first.
            Some(Outcome::Stored(_) | Outcome::Duplicate(_)) => {
                reply::custody(Custody::Received, id.as_str())
            }
            Some(Outcome::Conflict) => reply::error(
                409,
                ID_REUSED,
                "this id belongs to a message with another payload",
            ),
            None => reply::error(500, "STORE_FAILED", "the store gave no outcome"),
        }),
        Err(failure) => {
            let cause = reply::describe(&failure);
            log::error(
                "record not stored",
                &[("id", id.as_str()), ("cause", &cause)],
            );
            events::publish_seldom(Incident {
                severity: Severity::Critical,
                component: "L3-Writer",
                code: "RECORD_WRITE_FAILED",
                message: &format!("a record could not be stored: {cause}"),
                payload: Some(&request.body),
            })
            .await;
            Ok(reply::store_failed(&failure))
        }
    }
}

twin_guest::export_function!(Writer);
