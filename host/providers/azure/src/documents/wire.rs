//! Documents as Cosmos DB has them.
//!
//! ```json
//! {
//!   "id": "64 hex digits", "partition": "factory-01/telemetry/sensor-1#0", "order": "8006470b…reading-1",
//!   "queue": "0000000000000007letter-1", "expires_at": 1767225600000000, "ttl": 3600,
//!   "fields": { "body": "{\"a\":1}", "time": 1767225600000000, "envelope": { "$bytes": "AP8=" } }
//! }
//! ```
//!
//! The service computes with JSON numbers as with doubles. So an integer that a double cannot hold is an object,
//! `{ "$integer": "9223372036854775807" }`, and so are bytes that are no text. A text is always a string, and no field of the twin
//! is an object: the two cannot be taken for one another.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use serde_json::Value as Json;
use twin_capabilities::Instant;
use twin_documents::{Address, Document, Fields, Index, Range, Stored, Table, Tag, Value};

/// The largest integer up to which a double holds every one.
const EXACT: i64 = 1 << 53;

const INTEGER: &str = "$integer";
const BYTES: &str = "$bytes";

/// The service's limit is 2 MiB of JSON, with the properties that it adds.
const LARGEST: usize = 2 * 1024 * 1024 - 2048;

/// By how much JSON is longer than what it says, at most: a control character becomes `\u0000`.
const LONGEST_ESCAPE: usize = 6;

/// Names and punctuation of a document, beside its own bytes: far less than this.
const FRAME: usize = 4096;

/// A document that is written.
#[derive(Serialize)]
struct Written<'a> {
    id: &'a str,
    partition: &'a str,
    order: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<WrittenValue<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<i64>,
    #[serde(serialize_with = "fields")]
    fields: &'a Fields,
}

enum WrittenValue<'a> {
    Text(&'a str),
    Number(i64),
    Bytes(&'a [u8]),
}

impl<'a> From<&'a Value> for WrittenValue<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(text),
            Value::Number(number) => Self::Number(*number),
            Value::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

impl Serialize for WrittenValue<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (marker, text) = match self {
            Self::Text(text) => return serializer.serialize_str(text),
            Self::Number(number) if (-EXACT..=EXACT).contains(number) => {
                return serializer.serialize_i64(*number);
            }
            Self::Number(number) => (INTEGER, number.to_string()),
            Self::Bytes(bytes) => (BYTES, STANDARD.encode(bytes)),
        };
        let mut object = serializer.serialize_map(Some(1))?;
        object.serialize_entry(marker, &text)?;
        object.end()
    }
}

fn fields<S: Serializer>(fields: &&Fields, serializer: S) -> Result<S::Ok, S::Error> {
    let values = fields.0.iter();
    serializer.collect_map(values.map(|(name, value)| (name, WrittenValue::from(value))))
}

/// A document as JSON. `now` is the time from which the service counts how long the document lives.
pub(crate) fn encode(document: &Document, now: Instant) -> Vec<u8> {
    let written = Written {
        id: &document.address.key,
        partition: &document.address.partition,
        order: &document.order,
        queue: document.queue.as_deref(),
        expires_at: document.expires_at.map(WrittenValue::Number),
        ttl: document.expires_at.map(|at| time_to_live(at, now)),
        fields: &document.fields,
    };
    // Texts and numbers with names that are texts: it cannot fail.
    serde_json::to_vec(&written).unwrap_or_default()
}

/// Whether a document would be larger than the service accepts.
pub(crate) fn is_too_large(document: &Document) -> bool {
    let most = document.bytes() * LONGEST_ESCAPE + FRAME;
    most > LARGEST && encode(document, 0).len() > LARGEST
}

/// Whole seconds from now, rounded up; the service takes 1 to 2^31 - 1.
fn time_to_live(expires_at: Instant, now: Instant) -> i64 {
    const SECOND: i64 = 1_000_000;
    let left = expires_at.saturating_sub(now);
    let seconds = left / SECOND + i64::from(left % SECOND > 0);
    seconds.clamp(1, i64::from(i32::MAX))
}

/// A document that was read.
#[derive(Deserialize)]
pub(crate) struct Read {
    id: String,
    partition: String,
    order: String,
    queue: Option<String>,
    expires_at: Option<Json>,
    fields: BTreeMap<String, Json>,
    #[serde(rename = "_etag")]
    etag: String,
}

/// The page of a query.
#[derive(Deserialize)]
pub(crate) struct Page<T> {
    #[serde(rename = "Documents")]
    pub(crate) documents: Vec<T>,
}

impl Read {
    /// The document, in a table; `None` if a value has a form that this program does not write.
    pub(crate) fn decode(self, table: Table) -> Option<Stored> {
        let expires_at = match self.expires_at.map(value) {
            None => None,
            Some(Some(Value::Number(at))) => Some(at),
            Some(_) => return None,
        };
        let fields = self.fields.into_iter();
        let fields: Option<_> = fields
            .map(|(name, json)| Some((name, value(json)?)))
            .collect();
        Some(Stored {
            document: Document {
                address: Address {
                    table,
                    partition: self.partition,
                    key: self.id,
                },
                order: self.order,
                queue: self.queue,
                expires_at,
                fields: Fields(fields?),
            },
            tag: Tag(self.etag),
        })
    }
}

fn value(json: Json) -> Option<Value> {
    match json {
        Json::String(text) => Some(Value::Text(text)),
        Json::Number(number) => integer(&number).map(Value::Number),
        Json::Object(object) => {
            let mut entries = object.into_iter();
            let (Some((marker, Json::String(text))), None) = (entries.next(), entries.next())
            else {
                return None;
            };
            match marker.as_str() {
                INTEGER => text.parse().ok().map(Value::Number),
                BYTES => STANDARD.decode(text).ok().map(Value::Bytes),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The service may write an integer as a double: `1.7672256E15`.
fn integer(number: &serde_json::Number) -> Option<i64> {
    let whole = |double: f64| {
        let is_exact = double.fract() == 0.0 && double.abs() <= EXACT as f64;
        is_exact.then_some(double as i64)
    };
    number.as_i64().or_else(|| number.as_f64().and_then(whole))
}

/// The name of the partition in a header, which has ASCII only: a JSON array of one text.
pub(crate) fn partition_header(partition: &str) -> String {
    let mut header = "[\"".to_owned();
    for character in partition.chars() {
        match character {
            '"' | '\\' => header.extend(['\\', character]),
            ' '..='~' => header.push(character),
            _ => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    header.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    header.push_str("\"]");
    header
}

/// The query for the documents of a range, in its order.
pub(crate) fn query(range: &Range) -> Vec<u8> {
    let direction = if range.descending { "DESC" } else { "ASC" };
    let order = format!("ORDER BY {} {direction}", place(range.index));
    select("*", range, &order)
}

/// The query for a 1 for each document of a range. `COUNT(1)` would have no limit, and the service charges for all it counts.
pub(crate) fn count(range: &Range) -> Vec<u8> {
    select("VALUE 1", range, "")
}

fn select(what: &str, range: &Range, order: &str) -> Vec<u8> {
    let place = place(range.index);
    let text = format!("SELECT {what} FROM c WHERE {place} >= @from AND {place} < @to {order}");
    let query = serde_json::json!({
        "query": text.trim_end(),
        "parameters": [
            { "name": "@from", "value": range.from },
            { "name": "@to", "value": range.to },
        ],
    });
    query.to_string().into_bytes()
}

/// `order` is a word of the query language, hence the brackets.
fn place(index: Index) -> &'static str {
    match index {
        Index::Order => "c['order']",
        Index::Queue => "c['queue']",
    }
}

#[cfg(test)]
mod tests;
