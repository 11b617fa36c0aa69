//! A message that Pub/Sub pushes: wrapped into a JSON document, or unwrapped with its metadata in headers.
//!
//! Unwrapped and without metadata a message has no id and cannot be told from anything else: it is not accepted.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::json;
use twin_contract::MessageId;

use super::{Event, FormError, Topic, base64, identity};

/// The type of a CloudEvent of Eventarc that has such a document as its data.
pub(super) const PUBLISHED: &str = "google.cloud.pubsub.topic.v1.messagePublished";

/// The attribute with the device that published the message.
const DEVICE: &str = "deviceId";
/// The attribute with the id that the publisher gave the message. The topics of a twin's own errors and letters have it, so
/// that a message that is published twice is one.
const ID: &str = "id";

#[derive(Deserialize)]
struct Push<'a> {
    #[serde(borrow)]
    message: Message<'a>,
    #[serde(default)]
    subscription: String,
}

/// Pub/Sub sends each of its own fields in two spellings.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    data: Cow<'a, str>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(rename = "messageId")]
    id: Option<String>,
    #[serde(rename = "message_id")]
    id_in_snake_case: Option<String>,
}

/// Reads the document; `raw` is what is kept of the delivery.
pub(super) fn read(topic: Topic, document: &[u8], raw: Vec<u8>) -> Result<Event, FormError> {
    let Push {
        mut message,
        subscription,
    } = serde_json::from_slice(document)?;
    if message.data.is_empty() {
        return Err(FormError::Missing("message.data"));
    }
    let given = message.attributes.remove(ID);
    let own = message.id.or(message.id_in_snake_case);
    Ok(Event {
        subject: topic.subject(message.attributes.remove(DEVICE)),
        id: id(topic, given, own, &subscription),
        body: base64("message.data", &message.data)?,
        raw,
    })
}

/// Reads a message whose metadata is in headers; `None` if there is none. Its attributes are headers, too.
pub(super) fn in_headers(
    topic: Topic,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Option<Event>, FormError> {
    let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
    let Some(message_id) = text("x-goog-pubsub-message-id") else {
        return Ok(None);
    };
    if body.is_empty() {
        return Err(FormError::Missing("the message"));
    }
    let subscription = text("x-goog-pubsub-subscription-name").unwrap_or_default();
    let attributes: BTreeMap<_, _> = [DEVICE, ID]
        .into_iter()
        .filter_map(|name| Some((name, text(name)?)))
        .collect();
    let raw = json!({
        "message": {
            "data": STANDARD.encode(body),
            "attributes": attributes,
            "messageId": message_id,
            "publishTime": text("x-goog-pubsub-publish-time"),
        },
        "subscription": subscription,
    });
    Ok(Some(Event {
        subject: topic.subject(text(DEVICE)),
        id: id(topic, text(ID), Some(message_id), &subscription),
        body: body.to_vec(),
        raw: raw.to_string().into_bytes(),
    }))
}

/// The id that the publisher of the twin's own topics gave, or else Pub/Sub's.
fn id(
    topic: Topic,
    given: Option<String>,
    own: Option<String>,
    subscription: &str,
) -> Option<String> {
    let given = given.filter(|_| topic != Topic::Telemetry);
    let id = given.or(own)?;
    Some(match MessageId::parse(&id) {
        Ok(_) => id,
        Err(_) => identity(subscription, &id),
    })
}
