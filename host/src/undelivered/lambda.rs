//! What arrives in a queue of SQS when a function of Lambda does not take an event.
//!
//! | who put it there | its content | recognised by |
//! |---|---|---|
//! | Lambda, dead-letter queue of a function | the event | the attributes `RequestID` and `ErrorCode` |
//! | Lambda, on-failure destination | a record of the invocation with the event in `requestPayload` | `requestPayload` beside `requestContext` |
//! | EventBridge, dead-letter queue of a rule's target | the event | its form |
//! | SQS, redrive policy of a queue that a function reads | the message: the copy of a letter, or an envelope | anything else |

use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use twin_capabilities::Undelivered;

use super::form::Unreadable;
use crate::ingress::{
    events::Event,
    lambda::invocation::{Invocation, InvocationError, Message},
};

/// The attribute of what Lambda puts into a dead-letter queue.
const OF_LAMBDA: &str = "RequestID";

/// The record of an invocation.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    #[serde(borrow)]
    request_payload: &'a RawValue,
    #[allow(dead_code, reason = "it must be there")]
    request_context: IgnoredAny,
}

pub(super) fn read(message: &Undelivered) -> Result<Vec<Event>, Unreadable> {
    let text = std::str::from_utf8(&message.body)?;
    if let Ok(record) = serde_json::from_str::<Record<'_>>(text) {
        return events(Invocation::read(record.request_payload.get())?);
    }
    match Invocation::read(text) {
        Ok(invocation) => events(invocation),
        // What Lambda put there was an invocation.
        Err(unknown @ (InvocationError::Unknown | InvocationError::Json(_)))
            if message.attributes.contains_key(OF_LAMBDA) =>
        {
            Err(unknown.into())
        }
        Err(InvocationError::Unknown | InvocationError::Json(_)) => {
            let message = Message::new(message.id.clone(), message.body.clone());
            Ok(vec![message.event])
        }
        Err(error) => Err(error.into()),
    }
}

fn events(invocation: Invocation) -> Result<Vec<Event>, Unreadable> {
    match invocation {
        Invocation::Event(event) => Ok(vec![event]),
        Invocation::Queue(messages) => {
            Ok(messages.into_iter().map(|message| message.event).collect())
        }
        Invocation::Request(_) => Err(Unreadable::Request),
    }
}
