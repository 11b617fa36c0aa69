//! The writer: receives envelopes for L3 and stores them. `POST /write`.

use twin_capabilities::{
    Failure,
    records::{Entry, Outcome},
};
use twin_contract::{
    Access, Envelope, Layer, MessageId,
    registry::{collection, component},
    reply::Custody,
    without_bom,
};

use crate::{
    Call, Context, Request, Response,
    events::{self, EventCode, Incident},
    gate,
    refused::{self, Refused},
    reply, worlds,
};

/// Answers a request.
pub async fn handle<C: worlds::Writer>(context: &Context<C>, request: Request) -> Response {
    let call = Call::of(context, &request);
    refused::response(write(&call, &request).await)
}

async fn write<C: worlds::Writer>(
    call: &Call<'_, C>,
    request: &Request,
) -> Result<Response, Refused> {
    gate::admit(call, request, &["POST"], Access::Data).await?;
    let given = gate::given_id(request)?;
    let (id, entry) = read::<C>(request, given)?;
    let stored = call
        .capabilities()
        .put(collection::MESSAGES.to_owned(), vec![entry]);
    match stored.await.pop() {
        // A repetition gets the same reply as the first message.
        Some(Ok(Outcome::Stored(_) | Outcome::Duplicate(_))) => {
            Ok(reply::custody(Custody::Received, id.as_str()))
        }
        Some(Ok(Outcome::Conflict)) => Err(Refused(reply::id_reused())),
        Some(Err(failure)) => Err(failed(call, request, &id, failure).await),
        None => {
            let failure = Failure::Other("the store returned no outcome".to_owned());
            Err(failed(call, request, &id, failure).await)
        }
    }
}

/// The record of an envelope. Its bytes are copied, because the report needs them if the record cannot be stored.
fn read<C: worlds::Writer>(
    request: &Request,
    given: Option<MessageId>,
) -> Result<(MessageId, Entry), Refused> {
    let envelope = Envelope::parse(&request.body)?;
    envelope.require_layer(Layer::L3)?;
    let id = given.unwrap_or_else(|| MessageId::of_envelope(&request.body, C::sha256));
    let entry = Entry {
        device_id: envelope.device_id.to_string(),
        time: envelope.timestamp.as_micros(),
        id: id.to_string(),
        message_type: envelope.message_type.to_string(),
        digest: envelope.payload_digest(C::sha256),
        body: without_bom(&request.body).to_vec(),
    };
    Ok((id, entry))
}

/// Reports a record that was not stored, with its envelope.
async fn failed<C: worlds::Writer>(
    call: &Call<'_, C>,
    request: &Request,
    id: &MessageId,
    failure: Failure,
) -> Refused {
    let cause = failure.to_string();
    let fields = [("id", id.as_str()), ("cause", &cause)];
    call.error("record not stored", &fields);
    let incident = Incident {
        component: component::WRITER,
        code: EventCode::RecordWriteFailed,
        message: &format!("a record could not be stored: {cause}"),
        payload: Some(&request.body),
    };
    events::publish_seldom(call, incident).await;
    failure.into()
}
