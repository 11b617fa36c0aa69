//! Takes away what a platform adds to an event when it gives up. What is left are the bytes of each field as they were; the fields are
//! in the order of their names.

use std::collections::BTreeMap;

use serde_json::{json, value::RawValue};

/// The fields of a JSON object. Values keep their bytes, so that numbers keep their notation.
type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// The fields that Event Grid adds, in its own schema (which also carries events of a custom schema) and in CloudEvents.
const OF_EVENT_GRID: [&str; 13] = [
    "deadLetterReason",
    "deadletterreason",
    "deliveryAttempts",
    "deliveryattempts",
    "lastDeliveryOutcome",
    "lastdeliveryoutcome",
    "lastHttpStatusCode",
    "lasthttpstatuscode",
    "publishTime",
    "publishtime",
    "lastDeliveryAttemptTime",
    "lastdeliveryattempttime",
    // What the subscription adds to the request.
    "customDeliveryProperties",
];
/// The field of topics in a namespace, which has all of them.
const IN_NAMESPACES: [&str; 2] = ["deadletterProperties", "deadLetterProperties"];

/// The attributes that Pub/Sub adds begin so.
const OF_PUBSUB: &str = "CloudPubSubDeadLetterSource";

/// The events of a blob, which has one, or an array.
pub(super) fn event_grid(blob: &[u8]) -> serde_json::Result<Vec<String>> {
    let blob = blob.strip_prefix(b"\xef\xbb\xbf").unwrap_or(blob);
    let document: &RawValue = serde_json::from_slice(blob)?;
    if document.get().starts_with('[') {
        let events: Vec<&RawValue> = serde_json::from_str(document.get())?;
        return events.into_iter().map(delivered).collect();
    }
    Ok(vec![delivered(document)?])
}

/// The event as it was delivered.
fn delivered(event: &RawValue) -> serde_json::Result<String> {
    let mut fields: Fields<'_> = serde_json::from_str(event.get())?;
    let from_namespace = IN_NAMESPACES.iter().any(|name| fields.contains_key(*name));
    // Namespaces have the event in a field of its own, or as one with the reason.
    if from_namespace && let Some(event) = fields.get("event") {
        return Ok(event.get().to_owned());
    }
    let has_reason = OF_EVENT_GRID.iter().take(2);
    let has_reason = has_reason
        .into_iter()
        .any(|name| fields.contains_key(*name));
    if !from_namespace && !has_reason {
        return Ok(event.get().to_owned());
    }
    for name in OF_EVENT_GRID.iter().chain(&IN_NAMESPACES) {
        fields.remove(*name);
    }
    serde_json::to_string(&fields)
}

/// A message as Pub/Sub would push it: `{"message":{…},"subscription":…}`. The subscription is the one that could not be served.
pub(super) fn pubsub(message: &[u8]) -> serde_json::Result<String> {
    let mut message: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(message)?;
    let attributes = message.get("attributes").map(|attributes| attributes.get());
    let mut attributes: BTreeMap<String, String> = match attributes {
        Some(attributes) => serde_json::from_str(attributes)?,
        None => BTreeMap::new(),
    };
    let source = |name| attributes.get(&format!("{OF_PUBSUB}{name}"));
    let subscription = match (source("SubscriptionProject"), source("Subscription")) {
        (Some(project), Some(name)) => Some(format!("projects/{project}/subscriptions/{name}")),
        _ => None,
    };
    attributes.retain(|name, _| !name.starts_with(OF_PUBSUB));
    let attributes = serde_json::value::to_raw_value(&attributes)?;
    message.insert("attributes".to_owned(), attributes);
    let push = json!({"subscription": subscription.unwrap_or_default()});
    let mut push: BTreeMap<String, Box<RawValue>> = serde_json::from_value(push)?;
    push.insert(
        "message".to_owned(),
        serde_json::value::to_raw_value(&message)?,
    );
    serde_json::to_string(&push)
}
