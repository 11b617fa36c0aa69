//! The writer, native.

use twin_capabilities::records::{Entry, Outcome};
use twin_contract::{Envelope, Layer, MessageId, digest, reply::Custody};
use twin_host::function::{Request, Response};

use super::{Native, custody, error, gate};

pub(super) async fn write(native: &Native, request: Request) -> Result<Response, Response> {
    gate::admit(native, &request)?;
    let given = gate::given_id(&request)?;
    let envelope = Envelope::parse(&request.body)
        .and_then(|envelope| envelope.require_layer(Layer::L3).map(|()| envelope))
        .map_err(|error| gate::refused(&error))?;
    let id = given.unwrap_or_else(|| MessageId::of_envelope(&request.body, digest));
    let entry = Entry {
        device_id: envelope.device_id.to_string(),
        time: envelope.timestamp.as_micros(),
        id: id.to_string(),
        message_type: envelope.message_type.to_string(),
        digest: envelope.payload_digest(digest),
        // Nothing makes native code copy it.
        body: Vec::new(),
    };
    drop(envelope);
    let entry = Entry {
        body: request.body,
        ..entry
    };
    let put = native
        .stores
        .records
        .put("messages".to_owned(), vec![entry]);
    match put.await.pop() {
        Some(Ok(Outcome::Stored(_) | Outcome::Duplicate(_))) => {
            Ok(custody(Custody::Received, id.as_str()))
        }
        Some(Ok(Outcome::Conflict)) => Err(error(409, "ID_REUSED")),
        Some(Err(_)) | None => Err(error(503, "STORE_UNAVAILABLE")),
    }
}
