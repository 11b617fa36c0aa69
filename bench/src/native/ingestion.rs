//! The ingestion, native: hands on to the writer.

use std::time::Duration;

use twin_capabilities::peers;
use twin_contract::{Envelope, Layer, MessageId, digest, reply::JSON};
use twin_delivery::{Deadline, Mono, millis};
use twin_host::function::{FunctionName, Request, Response};

use super::{Native, error, gate};

pub(super) async fn ingest(native: &Native, request: Request) -> Result<Response, Response> {
    gate::admit(native, &request)?;
    let given = gate::given_id(&request)?;
    let forwarded = Envelope::parse(&request.body)
        .and_then(|envelope| envelope.require_layer(Layer::L2).map(|()| envelope))
        .and_then(|envelope| envelope.forward(native.config.cloud, Layer::L3))
        .map_err(|error| gate::refused(&error))?;
    let id = given.unwrap_or_else(|| MessageId::of_envelope(&request.body, digest));
    let arrived = Mono::default();
    let deadline = Deadline::new(
        arrived,
        native.delivery.function_deadline,
        request
            .time_left_ms
            .map(|ms| Duration::from_millis(ms.into())),
        gate::header(&request, "x-twin-timeout-ms"),
    );
    let timeout = deadline.attempt_timeout(arrived, Duration::MAX);
    let message = peers::Outgoing {
        peer: peers::Peer::Writer,
        request: post(&id, forwarded.into_bytes(), timeout),
        timeout,
    };
    let peers = native.peers.of(FunctionName::Ingestion);
    let reply = match peers.send(vec![message]).await.pop() {
        Some(Ok(reply)) => reply,
        _ => return Err(error(503, "NEXT_HOP_UNAVAILABLE")),
    };
    Ok(Response {
        status: reply.status,
        headers: reply.headers,
        body: reply.body,
    })
}

/// An envelope for a peer.
pub(super) fn post(id: &MessageId, body: Vec<u8>, timeout: Duration) -> peers::Request {
    peers::Request {
        method: "POST".to_owned(),
        query: String::new(),
        headers: vec![
            ("content-type".to_owned(), JSON.to_owned()),
            ("idempotency-key".to_owned(), id.to_string()),
            ("x-twin-timeout-ms".to_owned(), millis(timeout).to_string()),
        ],
        body,
    }
}
