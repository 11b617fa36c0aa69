//! Events that a service posts to a URL: Pub/Sub push, Eventarc, Event Grid's webhooks, any sender of CloudEvents. They are
//! accepted on every platform, from callers with a credential for messages.

use http::{HeaderMap, Method, request::Parts};
use serde_json::json;

use super::{
    Event, Topic,
    forms::{self, FormError},
};
use crate::dispatch::{Refusal, Reply};

/// What a delivery asks for.
pub(crate) enum Delivery {
    /// An answer to a question of the service, and nothing else.
    Answer(Reply),
    /// That events are settled.
    Events(Vec<Event>),
}

/// What is delivered to a path, which has no route prefix.
pub(crate) fn topic(path: &str) -> Option<Topic> {
    Topic::named(path.strip_prefix("/events/")?)
}

/// Refuses a request that is neither a delivery nor a question whether the sender may deliver.
pub(crate) fn check_method(head: &Parts) -> Result<(), Refusal> {
    match head.method {
        Method::POST | Method::OPTIONS => Ok(()),
        _ => Err(Refusal::MethodNotAllowed(["OPTIONS", "POST"])),
    }
}

/// The answer to the question whether a sender may deliver, which it asks before it does (HTTP 1.1 Web Hooks for Event
/// Delivery, 4); `None` if this is a delivery. A caller with a credential may, as often as it likes.
pub(crate) fn handshake(head: &Parts) -> Option<Result<Reply, FormError>> {
    const ORIGIN: &str = "webhook-request-origin";
    if head.method != Method::OPTIONS {
        return None;
    }
    let text = |name| head.headers.get(name)?.to_str().ok();
    let Some(origin) = text(ORIGIN) else {
        return Some(Err(FormError::Missing(ORIGIN)));
    };
    let mut headers = vec![
        ("allow".to_owned(), "OPTIONS, POST".to_owned()),
        ("webhook-allowed-origin".to_owned(), origin.to_owned()),
    ];
    if text("webhook-request-rate").is_some() {
        headers.push(("webhook-allowed-rate".to_owned(), "*".to_owned()));
    }
    Some(Ok(Reply {
        status: 200,
        headers,
        body: Vec::new().into(),
    }))
}

/// Reads a delivery. Event Grid's own schema has its question whether it may deliver among them.
///
/// # Errors
/// What was expected.
pub(crate) fn read(topic: Topic, headers: &HeaderMap, body: &[u8]) -> Result<Delivery, FormError> {
    let asks = headers
        .get("aeg-event-type")
        .is_some_and(|kind| kind == "SubscriptionValidation");
    if !asks {
        return forms::read(topic, headers, body).map(Delivery::Events);
    }
    let code = forms::validation_code(body)?;
    let answer = json!({ "validationResponse": code }).to_string();
    Ok(Delivery::Answer(Reply {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: answer.into(),
    }))
}

/// The answer that acknowledges a delivery. Pub/Sub, Event Grid and Eventarc take any 2xx, and have no use for a body.
pub(crate) fn acknowledged() -> Reply {
    Reply {
        status: 204,
        headers: Vec::new(),
        body: Vec::new().into(),
    }
}
