//! `POST /telemetry`: a device's message or an envelope comes in; the reply says who has it in the end.

use twin_contract::{
    Access, Layer, MessageId, Post, Wrapped,
    reply::{Custody, ID_REUSED},
    trace_id_from_traceparent, without_bom,
};
use twin_guest::{
    Request, Response, clock,
    digest::sha256,
    gate, reply,
    settings::{self, Settings},
};

use crate::deliver::{self, Fate, Message, peer_of};

/// Takes a message, delivers it, and answers when the outcome is known. The response is an `Err` where it ended early.
pub(crate) async fn accept(request: &Request) -> Result<Response, Response> {
    let arrived = clock::mono();
    gate::admit(request, &["POST"], Access::Data).await?;
    let given = gate::given_id(request)?;
    let settings = settings::for_request().await?;
    let message = read(request, given, &settings)?;
    let deadline = gate::deadline(request, arrived, &settings.delivery);
    Ok(
        match deliver::deliver(&message, deadline, &settings.delivery).await {
            Fate::Delivered { custody, id } => reply::custody(custody, &id),
            Fate::Kept => reply::custody(Custody::DeadLettered, message.id.as_str()),
            Fate::Conflict => reply::error(
                409,
                ID_REUSED,
                "this id belongs to a message with another payload",
            ),
            Fate::Unbound => reply::try_again(
                "PEER_UNBOUND",
                &format!(
                    "this connector knows no {}: its configuration lacks one",
                    message.peer
                ),
            ),
            Fate::Exhausted => reply::try_again(
                "RESOURCES_EXHAUSTED",
                "this side lacks what it takes to send: the message is still yours",
            ),
            Fate::Lost => reply::try_again(
                "DELIVERY_FAILED",
                "the message was neither delivered nor stored: it is still yours",
            ),
        },
    )
}

/// The first hop fixes time, identity and bytes; every attempt sends the same.
fn read(
    request: &Request,
    given: Option<MessageId>,
    settings: &Settings,
) -> Result<Message, Response> {
    let refused = |error| reply::refused(&error);
    match Post::parse(&request.body).map_err(refused)? {
        Post::Envelope(envelope) => Ok(Message {
            peer: peer_of(envelope.target_layer),
            layer: envelope.target_layer,
            id: given.unwrap_or_else(|| MessageId::of_envelope(&request.body, sha256)),
            trace_id: envelope.trace_id.as_deref().map(str::to_owned),
            envelope: without_bom(&request.body).to_vec(),
        }),
        Post::Device(device) => {
            let traceparent = gate::header(request, "traceparent");
            let trace_id = traceparent.and_then(trace_id_from_traceparent);
            let (now, random) = (clock::now(), clock::random_10());
            let Wrapped {
                id,
                trace_id,
                envelope,
            } = device
                .wrap(settings.cloud, trace_id, given, now, random, sha256)
                .map_err(refused)?;
            Ok(Message {
                peer: peer_of(Layer::L2),
                layer: Layer::L2,
                id,
                trace_id: Some(trace_id),
                envelope: envelope.into_bytes(),
            })
        }
    }
}
