//! CloudEvents 1.0: structured, as a JSON document, or binary, with the attributes in headers (CloudEvents HTTP protocol
//! binding, 3.1 and 3.2).

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, header::CONTENT_TYPE};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use super::{Described, Event, FormError, Topic, base64};

/// Attributes are headers with this prefix in binary mode.
const PREFIX: &str = "ce-";

#[derive(Deserialize)]
struct CloudEvent<'a> {
    specversion: String,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: String,
    datacontenttype: Option<String>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    data_base64: Option<String>,
}

/// Reads an event in structured mode.
pub(super) fn read(topic: Topic, text: &str) -> Result<Event, FormError> {
    let event: CloudEvent<'_> = serde_json::from_str(text)?;
    supported(&event.specversion)?;
    let data = match (event.data, &event.data_base64) {
        (_, Some(encoded)) => Cow::Owned(base64("data_base64", encoded)?),
        (Some(data), None) => content(data.get(), event.datacontenttype.as_deref())?,
        (None, None) => return Err(FormError::Missing("data")),
    };
    Described {
        id: &event.id,
        source: &event.source,
        kind: &event.kind,
        data,
        raw: text.as_bytes().to_vec(),
    }
    .into_event(topic)
}

/// The content of `data`. It is JSON, unless `datacontenttype` says otherwise and it is a string with that content.
fn content<'a>(data: &'a str, media_type: Option<&str>) -> Result<Cow<'a, [u8]>, FormError> {
    let is_json = media_type.is_none_or(|media_type| {
        let essence = media_type.split(';').next().unwrap_or_default().trim_end();
        essence.ends_with("/json") || essence.ends_with("+json")
    });
    if is_json || !data.starts_with('"') {
        return Ok(Cow::Borrowed(data.as_bytes()));
    }
    let text: String = serde_json::from_str(data)?;
    Ok(Cow::Owned(text.into_bytes()))
}

/// Reads an event in binary mode; `None` if it is in another form. What is kept of it is the same event in structured mode.
pub(super) fn in_headers(
    topic: Topic,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Option<Event>, FormError> {
    let is_structured = headers.get(CONTENT_TYPE).is_some_and(|media_type| {
        media_type
            .as_bytes()
            .starts_with(b"application/cloudevents")
    });
    if is_structured || !headers.contains_key("ce-specversion") {
        return Ok(None);
    }
    supported(attribute(headers, "ce-specversion")?)?;
    Described {
        id: attribute(headers, "ce-id")?,
        source: attribute(headers, "ce-source")?,
        kind: attribute(headers, "ce-type")?,
        data: Cow::Borrowed(body),
        raw: structured(headers, body),
    }
    .into_event(topic)
    .map(Some)
}

fn attribute<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, FormError> {
    let value = headers.get(name).ok_or(FormError::Missing(name))?;
    value.to_str().map_err(|_| FormError::Invalid {
        name,
        expected: "visible ASCII characters",
    })
}

fn structured(headers: &HeaderMap, body: &[u8]) -> Vec<u8> {
    let text = |value: &[u8]| Value::String(String::from_utf8_lossy(value).into_owned());
    let mut event: Map<String, Value> = headers
        .iter()
        .filter_map(|(name, value)| {
            let attribute = name.as_str().strip_prefix(PREFIX)?;
            Some((attribute.to_owned(), text(value.as_bytes())))
        })
        .collect();
    if let Some(media_type) = headers.get(CONTENT_TYPE) {
        event.insert("datacontenttype".to_owned(), text(media_type.as_bytes()));
    }
    event.insert("data_base64".to_owned(), STANDARD.encode(body).into());
    Value::Object(event).to_string().into_bytes()
}

fn supported(version: &str) -> Result<(), FormError> {
    match version.starts_with("1.") {
        true => Ok(()),
        false => Err(FormError::Invalid {
            name: "specversion",
            expected: "1.0",
        }),
    }
}
