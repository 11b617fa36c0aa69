//! Requests to the services, in their plain HTTP.

use reqwest::{RequestBuilder, StatusCode};
use serde_json::Value;

/// Sends a request, and reads the reply.
pub(super) async fn send(request: RequestBuilder) -> (StatusCode, String) {
    let reply = request.send().await.unwrap();
    (reply.status(), reply.text().await.unwrap())
}

/// Sends JSON, and reads JSON from a reply that must be a success.
pub(super) async fn json(request: RequestBuilder, body: &Value) -> Value {
    let (status, reply) = send(request.body(body.to_string())).await;
    assert!(status.is_success(), "{status} for {body}: {reply}");
    parse(&reply)
}

/// An empty text is null.
pub(super) fn parse(text: &str) -> Value {
    match text {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {text}")),
    }
}
