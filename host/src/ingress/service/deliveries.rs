//! Deliveries of events. As with other requests, a body is read only once its sender is known, and counts as memory.

use std::net::IpAddr;

use http::request::Parts;
use hyper::body::Incoming;
use twin_contract::Access;
use twin_tasks::DetachOnDrop;

use super::{Service, expects_continue};
use crate::{
    dispatch::{Refusal, Reply, json},
    ingress::{
        endpoints::{Endpoint, EventEndpoint, Sender},
        events::{
            Settlement, batch,
            forms::FormError,
            webhook::{self, Delivery},
        },
    },
};

/// The largest delivery, in bytes. It has room for a message of 256 KiB as base64 (342 KiB), for its copy in the metadata of
/// an invocation, and for the rest of both; Event Grid delivers no more at once.
pub(in crate::ingress) const MAX_DELIVERY: usize = 1024 * 1024;

impl Service {
    /// Answers a request to an endpoint.
    pub(super) async fn deliver(
        &self,
        endpoint: Endpoint,
        head: &Parts,
        body: Incoming,
        source: IpAddr,
    ) -> Result<Reply, Refusal> {
        let answer = match endpoint {
            Endpoint::Ping => Ok(json(r#"{"status":"ok"}"#).into()),
            Endpoint::Events(endpoint) => {
                match self.before_the_body(&endpoint, head, source).await {
                    Ok(None) => return self.settle(endpoint, head, body).await,
                    Ok(Some(reply)) => Ok(reply),
                    Err(refusal) => Err(refusal),
                }
            }
        };
        self.bodies.discard(body, expects_continue(head));
        answer
    }

    /// The answer that needs no body, if there is one.
    async fn before_the_body(
        &self,
        endpoint: &EventEndpoint,
        head: &Parts,
        source: IpAddr,
    ) -> Result<Option<Reply>, Refusal> {
        if endpoint.sender == Sender::FunctionsHost {
            return Ok(None);
        }
        webhook::check_method(head)?;
        self.dispatch
            .permit(head, Some(source), Access::Data)
            .await?;
        let handshake = webhook::handshake(head).transpose();
        handshake.map_err(|error| refused(&error, head))
    }

    /// Reads events, and hands them over.
    async fn settle(
        &self,
        endpoint: EventEndpoint,
        head: &Parts,
        body: Incoming,
    ) -> Result<Reply, Refusal> {
        let under_way = self.dispatch.under_way();
        let read = self
            .bodies
            .read_whole(MAX_DELIVERY, body, expects_continue(head), self.hurry())
            .await?;
        // Each event has its message, and a copy of what was delivered.
        let copies = self.memory.take(read.bytes.len())?;
        let events = match endpoint.read(&head.headers, &read.bytes) {
            Ok(Delivery::Events(events)) => events,
            Ok(Delivery::Answer(reply)) => return Ok(reply),
            Err(error) => return Err(refused(&error, head)),
        };
        let shares = (read.share, copies);
        drop(read.bytes);
        // Runs to its end, even if the sender disconnects earlier.
        DetachOnDrop::of(async move {
            let settlement = batch::settle(events, endpoint.settle.as_ref()).await;
            drop((shares, under_way));
            match settlement {
                Settlement::Acknowledged | Settlement::Kept => Ok(endpoint.acknowledged()),
                Settlement::Again(cause) => {
                    tracing::warn!(cause, topic = ?endpoint.topic, "events are to be delivered again");
                    Err(Refusal::EventNotTaken)
                }
            }
        })
        .await
    }
}

/// The service may drop what is refused, so the refusal is logged. The error itself may quote the event.
fn refused(error: &FormError, head: &Parts) -> Refusal {
    let code = error.code();
    let (path, shown) = (head.uri.path(), code.as_str());
    tracing::warn!(path, code = shown, "a delivery cannot be read as events");
    Refusal::NotAnEvent {
        code,
        expected: error.to_string(),
    }
}
