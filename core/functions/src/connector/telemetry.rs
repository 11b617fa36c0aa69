//! `POST /telemetry`: accepts a device's message or an envelope; the reply says who has custody of it.

use twin_contract::{
    Access, ErrorCode, Layer, MessageId, Post, TRACEPARENT, TraceParent, Wrapped, reply::Custody,
    without_bom,
};

use super::{
    deliver::{self, Fate},
    message::Message,
};
use crate::{
    Call, Request, Response, gate, random_10,
    refused::Refused,
    reply,
    settings::{self, Settings},
    worlds,
};

/// Accepts a message, delivers it, and answers when the outcome is known.
pub(super) async fn accept<C: worlds::Connector>(
    call: &Call<'_, C>,
    request: Request,
) -> Result<Response, Refused> {
    let arrived = call.mono();
    gate::admit(call, &request, &["POST"], Access::Data).await?;
    let given = gate::given_id(&request)?;
    let settings = settings::for_request(call).await?;
    let deadline = gate::deadline(&request, arrived, &settings.delivery);
    let message = read(call, request, given, settings)?;
    let fate = deliver::deliver(call, &message, deadline, &settings.delivery).await;
    Ok(match fate {
        Fate::Delivered { custody, id } => reply::custody(custody, &id),
        Fate::DeadLettered => reply::custody(Custody::DeadLettered, message.id.as_str()),
        Fate::Conflict => reply::id_reused(),
        Fate::Unbound => reply::try_again(
            ErrorCode::PeerUnbound,
            &format!("no {} is configured for this connector", message.peer()),
        ),
        Fate::Exhausted => reply::try_again(
            ErrorCode::ResourcesExhausted,
            "this side lacks a resource for sending: the message was not accepted, send it again",
        ),
        Fate::NotStored => reply::try_again(
            ErrorCode::DeliveryFailed,
            "the message was neither delivered nor stored: send it again",
        ),
    })
}

/// The first hop determines time, identity and bytes; every attempt sends the same.
fn read<C: worlds::Connector>(
    call: &Call<'_, C>,
    request: Request,
    given: Option<MessageId>,
    settings: &Settings,
) -> Result<Message, Refused> {
    let (layer, id, trace_id) = match Post::parse(&request.body)? {
        Post::Envelope(envelope) => (
            envelope.target_layer,
            given.unwrap_or_else(|| MessageId::of_envelope(&request.body, C::sha256)),
            envelope.trace_id.as_deref().map(str::to_owned),
        ),
        Post::Device(device) => {
            let traceparent = gate::header(&request, TRACEPARENT).and_then(TraceParent::parse);
            let trace_id = traceparent.map(|parent| parent.trace_id.to_string());
            let (now, random) = (call.now(), random_10(call.capabilities()));
            let Wrapped {
                id,
                trace_id,
                envelope,
            } = device.wrap(
                settings.cloud,
                trace_id.as_deref(),
                given,
                now,
                random,
                C::sha256,
            )?;
            return Ok(Message {
                layer: Layer::L2,
                id,
                trace_id: Some(trace_id),
                envelope: envelope.into_bytes(),
            });
        }
    };
    // Uses the received bytes without a copy.
    let mut envelope = request.body;
    let mark = envelope.len() - without_bom(&envelope).len();
    envelope.drain(..mark);
    Ok(Message {
        layer,
        id,
        trace_id,
        envelope,
    })
}
