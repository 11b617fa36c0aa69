//! Sending to peers, in the words of the delivery policy.

use std::time::Duration;

use twin_contract::{MessageId, REQUEST_ID, reply::JSON};
use twin_delivery::{Outcome, SendFailure, millis};

use crate::{
    bindings::peers::{self, Failure, Reply, Request},
    scope,
};

/// What came of an attempt.
#[derive(Debug)]
pub enum Sent {
    /// The peer replied.
    Reply(Reply),
    /// No reply.
    Failure(SendFailure),
    /// There is no such peer: nothing was tried.
    Unbound,
}

impl Sent {
    /// The outcome to judge; none if nothing was tried.
    pub fn outcome(&self) -> Option<Outcome<'_>> {
        match self {
            Self::Reply(reply) => Some(Outcome::Reply {
                status: reply.status,
                headers: &reply.headers,
                body: &reply.body,
            }),
            Self::Failure(failure) => Some(Outcome::Failure(failure.clone())),
            Self::Unbound => None,
        }
    }
}

/// Posts an envelope or an event once.
pub async fn post(peer: &str, id: &MessageId, body: &[u8], timeout: Duration) -> Sent {
    let timeout_ms = whole_ms(timeout);
    let headers = vec![
        ("content-type".to_owned(), JSON.to_owned()),
        ("idempotency-key".to_owned(), id.to_string()),
        // So that the receiver gives up before this side does.
        ("x-twin-timeout-ms".to_owned(), timeout_ms.to_string()),
    ];
    send(
        peer,
        "POST",
        String::new(),
        headers,
        body.to_vec(),
        timeout_ms,
    )
    .await
}

/// Asks a peer once.
pub async fn get(peer: &str, query: &str, timeout: Duration) -> Sent {
    let timeout_ms = whole_ms(timeout);
    let headers = vec![("x-twin-timeout-ms".to_owned(), timeout_ms.to_string())];
    send(
        peer,
        "GET",
        query.to_owned(),
        headers,
        Vec::new(),
        timeout_ms,
    )
    .await
}

/// The first value of a reply's header; `name` in lower case.
pub fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    let mut headers = reply.headers.iter();
    headers.find_map(|(header, value)| (header == name).then_some(value.as_str()))
}

/// A time limit as the header and the host take it.
fn whole_ms(timeout: Duration) -> u32 {
    u32::try_from(millis(timeout)).unwrap_or(u32::MAX)
}

async fn send(
    peer: &str,
    method: &str,
    query: String,
    mut headers: Vec<(String, String)>,
    body: Vec<u8>,
    timeout_ms: u32,
) -> Sent {
    // By which the peer's log lines are found.
    if let Some(id) = scope::request_id() {
        headers.push((REQUEST_ID.to_owned(), id.to_string()));
    }
    let request = Request {
        method: method.to_owned(),
        query,
        headers,
        body,
    };
    let failure = match peers::send(peer.to_owned(), request, timeout_ms).await {
        Ok(reply) => return Sent::Reply(reply),
        Err(failure) => failure,
    };
    Sent::Failure(match failure {
        Failure::UnknownPeer => return Sent::Unbound,
        Failure::Unreachable(cause) => SendFailure::Unreachable(cause),
        Failure::TimedOut => SendFailure::TimedOut,
        Failure::Exhausted(cause) => SendFailure::Exhausted(cause),
        Failure::CredentialsUnavailable(cause) => SendFailure::CredentialsUnavailable(cause),
        Failure::RefusedByPolicy(cause) => SendFailure::RefusedByPolicy(cause),
        Failure::Other(cause) => SendFailure::Other(cause),
    })
}
