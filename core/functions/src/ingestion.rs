//! The ingestion: receives envelopes for L2 and forwards them to L3. `POST /ingest`.
//!
//! It acknowledges nothing by itself: its caller gets the next hop's reply.

use std::{sync::atomic::Ordering, time::Duration};

use twin_capabilities::peers::{Peer, Reply, SendFailure};
use twin_contract::{
    Access, Envelope, ErrorCode, Layer, MessageId, registry::component, reply::is_in_our_words,
};
use twin_delivery::{Deadline, Verdict, millis};

use crate::{
    Call, Context, Request, Response,
    events::{self, EventCode, Incident},
    gate, peer,
    refused::{self, Refused},
    reply, settings, worlds,
};

/// Answers a request.
pub async fn handle<C: worlds::Ingestion>(context: &Context<C>, request: Request) -> Response {
    let call = Call::of(context, &request);
    refused::response(ingest(&call, &request).await)
}

async fn ingest<C: worlds::Ingestion>(
    call: &Call<'_, C>,
    request: &Request,
) -> Result<Response, Refused> {
    let arrived = call.mono();
    gate::admit(call, request, &["POST"], Access::Data).await?;
    let given = gate::given_id(request)?;
    let settings = settings::for_request(call).await?;
    let envelope = Envelope::parse(&request.body)?;
    envelope.require_layer(Layer::L2)?;
    let forwarded = envelope.forward(settings.cloud, Layer::L3)?;
    // The id is derived from the received bytes, so a retry by the sender has the same id.
    let id = given.unwrap_or_else(|| MessageId::of_envelope(&request.body, C::sha256));
    let deadline = gate::deadline(request, arrived, &settings.delivery);
    Ok(hand_on(call, &id, forwarded.as_bytes(), deadline).await)
}

/// Sends to the connector in this process, which retries and keeps dead letters; without one, makes a single attempt to the
/// writer.
async fn hand_on<C: worlds::Ingestion>(
    call: &Call<'_, C>,
    id: &MessageId,
    envelope: &[u8],
    deadline: Deadline,
) -> Response {
    let response = match to_connector(call, id, envelope, deadline).await {
        // The connector's reply is returned unchanged, and the connector has reported its own failures.
        Ok(reply) if is_passed_on(&reply) => return unchanged(reply),
        Err(SendFailure::UnknownPeer) => {
            let sent = post(call, Peer::Writer, id, envelope, deadline).await;
            answer_for(call, sent)
        }
        sent => answer_for(call, sent),
    };
    if response.status >= 500 {
        events::report_shortage(call, component::INGESTION, deadline, Some(envelope)).await;
        report(call, &response, envelope).await;
    }
    response
}

/// Sends to the connector. If none is bound, this is found out only once per instance.
async fn to_connector<C: worlds::Ingestion>(
    call: &Call<'_, C>,
    id: &MessageId,
    envelope: &[u8],
    deadline: Deadline,
) -> Result<Reply, SendFailure> {
    let no_connector = &call.context().no_connector;
    if no_connector.load(Ordering::Relaxed) {
        return Err(SendFailure::UnknownPeer);
    }
    let sent = post(call, Peer::Connector, id, envelope, deadline).await;
    if matches!(sent, Err(SendFailure::UnknownPeer)) {
        no_connector.store(true, Ordering::Relaxed);
    }
    sent
}

/// One attempt with all the remaining time. The envelope is kept for the report of a failure.
async fn post<C: worlds::Ingestion>(
    call: &Call<'_, C>,
    peer: Peer,
    id: &MessageId,
    envelope: &[u8],
    deadline: Deadline,
) -> Result<Reply, SendFailure> {
    let timeout = deadline.attempt_timeout(call.mono(), Duration::MAX);
    peer::post(call, peer, id, envelope.to_vec(), timeout).await
}

/// The reply for the caller, from the reply of the writer or of a connector that did not answer. Only replies of the
/// contract are passed on; other replies, such as a gateway's, become an error of this function.
fn answer_for<C: worlds::Ingestion>(
    call: &Call<'_, C>,
    sent: Result<Reply, SendFailure>,
) -> Response {
    match (Verdict::of(&sent, call.now()), sent) {
        (Verdict::Unbound, _) => reply::try_again(
            ErrorCode::PeerUnbound,
            "neither connector nor writer is bound here",
        ),
        (Verdict::Delivered { custody, id }, _) => reply::custody(custody, &id),
        (Verdict::Permanent { .. } | Verdict::Conflict | Verdict::Retryable { .. }, Ok(reply))
            if is_passed_on(&reply) =>
        {
            unchanged(reply)
        }
        (
            Verdict::Retryable {
                cause, retry_after, ..
            },
            _,
        ) => unavailable(call, &cause, retry_after),
        (Verdict::Exhausted { cause }, _) => unavailable(call, &cause, None),
        (Verdict::Permanent { cause, .. }, _) => {
            call.warn("next hop refused", &[("cause", &cause)]);
            reply::error(ErrorCode::NextHopRefused, &format!("the next hop: {cause}"))
        }
        (Verdict::Conflict, _) => reply::id_reused(),
    }
}

/// 503, with the time that the next hop asked for, or one second.
fn unavailable<C: worlds::Ingestion>(
    call: &Call<'_, C>,
    cause: &str,
    retry_after: Option<Duration>,
) -> Response {
    let seconds = retry_after.map_or(1, |wish| millis(wish).div_ceil(1_000));
    let seconds = seconds.max(1);
    call.warn("next hop not reached", &[("cause", cause)]);
    let message = format!("the next hop: {cause}");
    let response = reply::error(ErrorCode::NextHopUnavailable, &message);
    reply::with_header(response, "retry-after", &seconds.to_string())
}

/// Whether the caller gets the next hop's reply unchanged. A 401 or 403 concerns this cloud's credential, not the caller's.
fn is_passed_on(reply: &Reply) -> bool {
    !matches!(reply.status, 401 | 403) && is_in_our_words(reply.status, &reply.body)
}

fn unchanged(reply: Reply) -> Response {
    let keep = |name: &str| matches!(name, "content-type" | "retry-after");
    let mut headers = reply.headers;
    headers.retain(|(name, _)| keep(name));
    Response {
        status: reply.status,
        headers,
        body: reply.body,
    }
}

async fn report<C: worlds::Ingestion>(call: &Call<'_, C>, response: &Response, envelope: &[u8]) {
    let incident = Incident {
        component: component::INGESTION,
        code: EventCode::HandOnFailed,
        message: &format!(
            "an envelope could not be handed on: HTTP {} to its sender, which keeps it",
            response.status
        ),
        payload: Some(envelope),
    };
    events::publish_seldom(call, incident).await;
}
