//! Documents as Firestore's REST interface has them.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use twin_contract::Timestamp;
use twin_documents::{Address, Document, Fields, Missing, Stored, Table, Tag, Value};

use crate::schema::{self, EXPIRES, FIELDS, ORDER, PARTITION, QUEUE};

/// A document. `update_time` is its state, and stands in answers only.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireDocument {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) fields: WireFields,
    #[serde(skip_serializing, default)]
    pub(crate) update_time: String,
}

pub(crate) type WireFields = BTreeMap<String, WireValue>;

/// A value: the types that this program writes.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum WireValue {
    /// A text.
    #[serde(rename = "stringValue")]
    Text(String),
    /// A number as text, since JSON's numbers are not exact everywhere.
    #[serde(rename = "integerValue")]
    Integer(String),
    /// Bytes in base64.
    #[serde(rename = "bytesValue")]
    Bytes(String),
    /// A time in RFC 3339.
    #[serde(rename = "timestampValue")]
    Time(String),
    /// Fields in a field.
    #[serde(rename = "mapValue")]
    Map(WireMap),
}

/// Fields in a field.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WireMap {
    /// Left out where there are none.
    #[serde(default)]
    pub(crate) fields: WireFields,
}

/// The name of a document below `root`: `projects/{project}/databases/{database}/documents`.
pub(crate) fn name(root: &str, address: &Address) -> String {
    let collection = schema::collection(address.table);
    format!("{root}/{collection}/{}", address.key)
}

/// A document to write.
pub(crate) fn to_wire(root: &str, document: Document) -> WireDocument {
    let name = name(root, &document.address);
    let text = |field: &str, text| (field.to_owned(), WireValue::Text(text));
    let mut fields = WireFields::from([
        text(PARTITION, document.address.partition),
        text(ORDER, document.order),
    ]);
    fields.extend(document.queue.map(|queue| text(QUEUE, queue)));
    fields.extend(document.expires_at.map(|instant| {
        let time = Timestamp::from_micros(instant).to_string();
        (EXPIRES.to_owned(), WireValue::Time(time))
    }));
    let own = document.fields.0.into_iter();
    let own = own.map(|(name, value)| (name, value_to_wire(value)));
    let own = WireMap {
        fields: own.collect(),
    };
    fields.insert(FIELDS.to_owned(), WireValue::Map(own));
    WireDocument {
        name,
        fields,
        update_time: String::new(),
    }
}

fn value_to_wire(value: Value) -> WireValue {
    match value {
        Value::Text(text) => WireValue::Text(text),
        Value::Number(number) => WireValue::Integer(number.to_string()),
        Value::Bytes(bytes) => WireValue::Bytes(STANDARD.encode(bytes)),
    }
}

/// A document of a table that was read.
///
/// # Errors
/// The name of a field that is not there or has another type: something else than this program wrote the document.
pub(crate) fn from_wire(table: Table, document: WireDocument) -> Result<Stored, Missing> {
    let WireDocument {
        name,
        mut fields,
        update_time,
    } = document;
    let key = name.rsplit('/').next().unwrap_or_default().to_owned();
    let partition = text(&mut fields, PARTITION)?.ok_or(Missing(PARTITION))?;
    let order = text(&mut fields, ORDER)?.ok_or(Missing(ORDER))?;
    let queue = text(&mut fields, QUEUE)?;
    let expires_at = match fields.remove(EXPIRES) {
        None => None,
        Some(WireValue::Time(time)) => {
            let time = Timestamp::parse_utc(&time).ok_or(Missing(EXPIRES))?;
            Some(time.as_micros())
        }
        Some(_) => return Err(Missing(EXPIRES)),
    };
    let Some(WireValue::Map(own)) = fields.remove(FIELDS) else {
        return Err(Missing(FIELDS));
    };
    let own = own.fields.into_iter().map(|(name, value)| {
        let value = value_from_wire(value).ok_or(Missing(FIELDS))?;
        Ok((name, value))
    });
    Ok(Stored {
        document: Document {
            address: Address {
                table,
                partition,
                key,
            },
            order,
            queue,
            expires_at,
            fields: Fields(own.collect::<Result<_, Missing>>()?),
        },
        tag: Tag(update_time),
    })
}

fn text(fields: &mut WireFields, name: &'static str) -> Result<Option<String>, Missing> {
    match fields.remove(name) {
        None => Ok(None),
        Some(WireValue::Text(text)) => Ok(Some(text)),
        Some(_) => Err(Missing(name)),
    }
}

fn value_from_wire(value: WireValue) -> Option<Value> {
    Some(match value {
        WireValue::Text(text) => Value::Text(text),
        WireValue::Integer(number) => Value::Number(number.parse().ok()?),
        WireValue::Bytes(bytes) => Value::Bytes(STANDARD.decode(bytes).ok()?),
        WireValue::Time(_) | WireValue::Map(_) => return None,
    })
}

/// The size of a document as Firestore counts it, which has an answer in its documentation ("Storage size calculations") and not
/// in its interface.
pub(crate) fn size(document: &Document) -> usize {
    let text = |text: &str| text.len() + 1;
    let placed = |name: &str, place: &str| text(name) + text(place);
    let name = text(schema::collection(document.address.table)) + text(&document.address.key) + 16;
    let queue = document.queue.as_deref();
    let fields = document.fields.0.iter().map(|(name, value)| {
        let value = match value {
            Value::Text(value) => text(value),
            Value::Number(_) => 8,
            Value::Bytes(bytes) => bytes.len(),
        };
        text(name) + value
    });
    name + 32
        + placed(PARTITION, &document.address.partition)
        + placed(ORDER, &document.order)
        + queue.map_or(0, |queue| placed(QUEUE, queue))
        + document.expires_at.map_or(0, |_| text(EXPIRES) + 8)
        // A map is counted as a document is.
        + text(FIELDS)
        + 32
        + fields.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "projects/p/databases/(default)/documents";

    fn document() -> Document {
        Document {
            address: Address {
                table: Table::DeadLetters,
                partition: "factory-01/dead-letters".to_owned(),
                key: "ab".repeat(32),
            },
            order: "0001a".to_owned(),
            queue: Some("0002a".to_owned()),
            expires_at: Some(1_767_225_600_000_001),
            fields: Fields::default()
                .text("id", "\u{1F321}\0\"")
                .number("least", i64::MIN)
                .number("most", i64::MAX)
                .with("envelope", Value::Bytes(vec![0, 255, 1])),
        }
    }

    #[test]
    fn a_document_has_this_form() {
        let key = "ab".repeat(32);
        let expected = serde_json::json!({
            "name": format!("{ROOT}/dead_letters/{key}"),
            "fields": {
                "partition": {"stringValue": "factory-01/dead-letters"},
                "order": {"stringValue": "0001a"},
                "queue": {"stringValue": "0002a"},
                "expires": {"timestampValue": "2026-01-01T00:00:00.000001Z"},
                "fields": {"mapValue": {"fields": {
                    "id": {"stringValue": "\u{1F321}\0\""},
                    "least": {"integerValue": "-9223372036854775808"},
                    "most": {"integerValue": "9223372036854775807"},
                    "envelope": {"bytesValue": "AP8B"},
                }}},
            },
        });
        let wire = serde_json::to_value(to_wire(ROOT, document())).unwrap();
        assert_eq!(wire, expected);
    }

    #[test]
    fn a_document_comes_back_as_it_was() {
        let bare = Document {
            queue: None,
            expires_at: None,
            fields: Fields::default(),
            ..document()
        };
        for document in [document(), bare] {
            let mut wire = serde_json::to_value(to_wire(ROOT, document.clone())).unwrap();
            wire["updateTime"] = "2026-01-01T00:00:00.123456Z".into();
            wire["createTime"] = "2026-01-01T00:00:00Z".into();
            let wire = serde_json::from_value(wire).unwrap();
            let stored = from_wire(Table::DeadLetters, wire).unwrap();
            assert_eq!(stored.document, document);
            assert_eq!(stored.tag, Tag("2026-01-01T00:00:00.123456Z".to_owned()));
        }
        // Firestore leaves an empty map's fields out.
        let empty: WireValue = serde_json::from_str(r#"{"mapValue":{}}"#).unwrap();
        let fields = WireFields::default();
        assert_eq!(empty, WireValue::Map(WireMap { fields }));
    }

    #[test]
    fn a_document_of_something_else_is_not_read() {
        for field in [PARTITION, ORDER, FIELDS] {
            let mut wire = to_wire(ROOT, document());
            wire.fields.remove(field);
            let read = from_wire(Table::DeadLetters, wire);
            assert_eq!(read, Err(Missing(field)));
        }
        for field in schema::FIELD_NAMES {
            let mut wire = to_wire(ROOT, document());
            let other = WireValue::Integer("1".to_owned());
            wire.fields.insert(field.to_owned(), other);
            let read = from_wire(Table::DeadLetters, wire);
            assert_eq!(read, Err(Missing(field)));
        }
    }

    /// The example of Google's documentation, as far as a document of ours can be like it: the name of
    /// `users/jeff/tasks/my_task_id` is replaced by that of a root collection.
    #[test]
    fn a_size_is_counted_as_google_counts_it() {
        let document = Document {
            address: Address {
                table: Table::State,
                partition: "p".to_owned(),
                key: "my_task_id".to_owned(),
            },
            order: "o".to_owned(),
            queue: None,
            expires_at: None,
            fields: Fields::default()
                .text("type", "Personal")
                .number("priority", 1)
                .text("description", "Learn Cloud Firestore"),
        };
        let name = "state".len() + 1 + "my_task_id".len() + 1 + 16;
        let places = "partition".len() + 1 + 2 + "order".len() + 1 + 2;
        // 14, 17 and 34 bytes in the example.
        let map = "fields".len() + 1 + 32 + 14 + 17 + 34;
        assert_eq!(size(&document), name + places + map + 32);
    }
}
