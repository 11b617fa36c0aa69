//! Event Grid's own schema, which system topics use unless a subscription asks for CloudEvents.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Described, Event, FormError, Topic};

#[derive(Deserialize)]
struct GridEvent<'a> {
    id: String,
    /// Missing where the handler is the topic's own.
    #[serde(default)]
    topic: String,
    #[serde(rename = "eventType")]
    kind: String,
    #[serde(borrow)]
    data: &'a RawValue,
}

pub(super) fn read(topic: Topic, text: &str) -> Result<Event, FormError> {
    let event: GridEvent<'_> = serde_json::from_str(text)?;
    Described {
        id: &event.id,
        source: &event.topic,
        kind: &event.kind,
        data: Cow::Borrowed(event.data.get().as_bytes()),
        raw: text.as_bytes().to_vec(),
    }
    .into_event(topic)
}

/// The type of the event with which Event Grid asks whether it may deliver.
const VALIDATION: &str = "Microsoft.EventGrid.SubscriptionValidationEvent";

#[derive(Deserialize)]
struct Validation {
    #[serde(rename = "eventType")]
    kind: String,
    data: ValidationData,
}

#[derive(Deserialize)]
struct ValidationData {
    #[serde(rename = "validationCode")]
    code: String,
}

/// The code that the answer to the validation of a subscription repeats.
pub(crate) fn validation_code(body: &[u8]) -> Result<String, FormError> {
    let [event]: [Validation; 1] = serde_json::from_slice(body)?;
    if event.kind != VALIDATION {
        return Err(FormError::Invalid {
            name: "eventType",
            expected: VALIDATION,
        });
    }
    Ok(event.data.code)
}
