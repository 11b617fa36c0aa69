//! Sending to peers: one attempt, with the headers that a receiver needs.

use std::time::Duration;

use twin_capabilities::{
    Peers,
    peers::{Outgoing, Peer, Reply, Request, SendFailure},
};
use twin_contract::{MessageId, REQUEST_ID, reply::JSON};
use twin_delivery::millis;

use crate::Call;

/// Posts an envelope or an event once.
pub(crate) async fn post<C: Peers>(
    call: &Call<'_, C>,
    peer: Peer,
    id: &MessageId,
    body: Vec<u8>,
    timeout: Duration,
) -> Result<Reply, SendFailure> {
    let headers = vec![
        ("content-type".to_owned(), JSON.to_owned()),
        ("idempotency-key".to_owned(), id.to_string()),
    ];
    let request = Request {
        method: "POST".to_owned(),
        query: String::new(),
        headers,
        body,
    };
    send(call, peer, request, timeout).await
}

/// Sends a query to a peer once.
pub(crate) async fn get<C: Peers>(
    call: &Call<'_, C>,
    peer: Peer,
    query: &str,
    timeout: Duration,
) -> Result<Reply, SendFailure> {
    let request = Request {
        method: "GET".to_owned(),
        query: query.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
    };
    send(call, peer, request, timeout).await
}

async fn send<C: Peers>(
    call: &Call<'_, C>,
    peer: Peer,
    mut request: Request,
    timeout: Duration,
) -> Result<Reply, SendFailure> {
    // Lets the receiver give up before the sender does.
    let patience = ("x-twin-timeout-ms".to_owned(), millis(timeout).to_string());
    request.headers.push(patience);
    // Connects the peer's log lines with this call's.
    if let Some(id) = call.request_id() {
        request.headers.push((REQUEST_ID.to_owned(), id.to_owned()));
    }
    let message = Outgoing {
        peer,
        request,
        timeout,
    };
    let mut sent = call.capabilities().send(vec![message]).await;
    sent.pop()
        .unwrap_or_else(|| Err(SendFailure::Other("the sender gave no outcome".to_owned())))
}
