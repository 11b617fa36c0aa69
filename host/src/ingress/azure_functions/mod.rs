//! Azure Functions: this program as the custom handler. HTTP triggers arrive at their own paths, as from any client; for other
//! triggers the Functions host posts a document of its own form to the name of the function.
//!
//! The host calls without a credential, over the loopback interface. `trigger` refuses what came from outside.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::BTreeMap};

use http::{HeaderMap, Method, request::Parts};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::events::{
    Event, Topic,
    forms::{self, FormError},
};
use crate::dispatch::Reply;

pub use twin_contract::registry::{ERRORS_FUNCTION, TELEMETRY_FUNCTION};

/// Headers that a request from outside has: the front end of Azure adds the first two, the Functions host the third to each
/// request that it proxies, and replaces what the client sent. The host's own calls have none of them.
const FROM_OUTSIDE: [&str; 3] = ["x-forwarded-for", "x-arr-log-id", "x-ms-invocation-id"];

/// How often a text may be JSON in a text in JSON: the host encodes a text that it got from the trigger, which may itself be
/// JSON in a text.
const NESTED: usize = 3;

/// Whether the host asks if this process answers. It sends no invocation before that.
pub(super) fn is_ping(head: &Parts) -> bool {
    matches!(head.method, Method::GET | Method::HEAD) && head.uri.path() == "/"
}

/// What the events of a trigger are about; `None` if this is not a call by the Functions host.
pub(super) fn trigger(head: &Parts) -> Option<Topic> {
    let function = head.uri.path().strip_prefix('/')?;
    let topic = match function {
        TELEMETRY_FUNCTION => Topic::Telemetry,
        ERRORS_FUNCTION => Topic::SystemErrors,
        _ => return None,
    };
    (head.method == Method::POST && !is_from_outside(&head.headers)).then_some(topic)
}

fn is_from_outside(headers: &HeaderMap) -> bool {
    FROM_OUTSIDE.iter().any(|name| headers.contains_key(*name))
}

/// What the host posts. `Metadata` repeats parts of the data.
#[derive(Deserialize)]
#[serde(expecting = "an invocation, which is an object with the field `Data`")]
struct Invocation<'a> {
    #[serde(rename = "Data", borrow)]
    data: BTreeMap<Cow<'a, str>, &'a RawValue>,
}

/// Reads the events of an invocation. The name of the binding does not matter.
///
/// # Errors
/// What was expected.
pub(super) fn read(topic: Topic, body: &[u8]) -> Result<Vec<Event>, FormError> {
    let invocation: Invocation<'_> = serde_json::from_slice(body)?;
    let mut bindings = invocation.data.into_values();
    let (Some(event), None) = (bindings.next(), bindings.next()) else {
        return Err(FormError::Invalid {
            name: "Data",
            expected: "an object with one binding, the trigger's",
        });
    };
    let mut event = Cow::Borrowed(event.get());
    for _ in 0..NESTED {
        if !event.starts_with('"') {
            break;
        }
        let inner: String = serde_json::from_str(&event)?;
        event = Cow::Owned(inner.trim_start().to_owned());
    }
    forms::read_document(topic, event.as_bytes())
}

/// The answer with which an invocation succeeds. The function has no output bindings. Any status other than 2xx fails the
/// invocation, and the host or the trigger's service repeats it.
pub(super) fn succeeded() -> Reply {
    Reply {
        status: 200,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: r#"{"Outputs":{},"Logs":[],"ReturnValue":null}"#.into(),
    }
}
