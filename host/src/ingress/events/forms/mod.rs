//! The forms in which platforms deliver events: from headers and body to [`Event`]s. There is no I/O here.
//!
//! A form is recognised by what only it has, and not by `content-type`, which proxies and publishers change: a CloudEvent by
//! `specversion`, an event of Event Grid by `eventType`, a message of Pub/Sub by `message`. An array holds several events.

mod cloud_event;
mod error;
mod event_grid;
mod iot_hub;
mod pubsub;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderMap;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;
use twin_contract::{MessageId, digest};
use uuid::Uuid;

pub use self::error::FormError;
pub(crate) use self::event_grid::validation_code;
use super::{Event, Topic};

/// Reads the events of a delivery in any of the forms.
///
/// # Errors
/// What was expected.
pub fn read(topic: Topic, headers: &HeaderMap, body: &[u8]) -> Result<Vec<Event>, FormError> {
    if let Some(event) = cloud_event::in_headers(topic, headers, body)? {
        return Ok(vec![event]);
    }
    if let Some(event) = pubsub::in_headers(topic, headers, body)? {
        return Ok(vec![event]);
    }
    read_document(topic, body)
}

/// Reads a JSON document that is an event, or an array of events.
///
/// # Errors
/// What was expected.
pub fn read_document(topic: Topic, document: &[u8]) -> Result<Vec<Event>, FormError> {
    let document: &RawValue = serde_json::from_slice(document)?;
    if !document.get().starts_with('[') {
        return Ok(vec![one(topic, document)?]);
    }
    let events: Vec<&RawValue> = serde_json::from_str(document.get())?;
    events.into_iter().map(|event| one(topic, event)).collect()
}

/// The fields that tell the forms apart.
#[derive(Deserialize)]
#[serde(expecting = "an event, which is a JSON object")]
struct Marks {
    specversion: Option<IgnoredAny>,
    #[serde(rename = "eventType")]
    event_type: Option<IgnoredAny>,
    message: Option<IgnoredAny>,
}

fn one(topic: Topic, event: &RawValue) -> Result<Event, FormError> {
    let text = event.get();
    let marks: Marks = serde_json::from_str(text)?;
    if marks.specversion.is_some() {
        cloud_event::read(topic, text)
    } else if marks.event_type.is_some() {
        event_grid::read(topic, text)
    } else if marks.message.is_some() {
        pubsub::read(topic, text.as_bytes(), text.as_bytes().to_vec())
    } else {
        Err(FormError::Unknown)
    }
}

/// An event as CloudEvents and Event Grid describe it.
struct Described<'a> {
    id: &'a str,
    source: &'a str,
    kind: &'a str,
    data: Cow<'a, [u8]>,
    raw: Vec<u8>,
}

impl Described<'_> {
    /// Takes the message out of what the platform's own services wrap it into.
    fn into_event(self, topic: Topic) -> Result<Event, FormError> {
        let (device, body) = match (self.kind, topic) {
            (iot_hub::TELEMETRY, Topic::Telemetry) => {
                let (device, body) = iot_hub::read(&self.data)?;
                (Some(device), body)
            }
            (pubsub::PUBLISHED, _) => return pubsub::read(topic, &self.data, self.raw),
            // A system error of the twin itself is no reading: it was brought to the wrong path.
            ("Error", Topic::Telemetry | Topic::Letters)
                if self.source.starts_with("twin2multicloud.") =>
            {
                return Err(FormError::OtherType("Error".to_owned()));
            }
            (kind, _) if kind.starts_with("Microsoft.") || kind.starts_with("google.") => {
                return Err(FormError::OtherType(kind.to_owned()));
            }
            _ => (None, self.data.into_owned()),
        };
        Ok(Event {
            subject: topic.subject(device),
            id: Some(identity(self.source, self.id)),
            body,
            raw: self.raw,
        })
    }
}

/// The id of an event. A UUID identifies it everywhere. Any other id does so only together with its source (CloudEvents 1.0,
/// `id`), and may have characters that an id of ours must not have: the digest of both stands for it.
fn identity(source: &str, id: &str) -> String {
    if Uuid::try_parse(id).is_ok() && MessageId::parse(id).is_ok() {
        return id.to_owned();
    }
    digest(format!("{source}\n{id}").as_bytes())
}

fn base64(name: &'static str, text: &str) -> Result<Vec<u8>, FormError> {
    STANDARD.decode(text).map_err(|_| FormError::Invalid {
        name,
        expected: "base64",
    })
}
