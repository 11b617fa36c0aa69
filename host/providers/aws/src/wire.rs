//! Documents as items of DynamoDB, and ranges as conditions. Nothing here calls the service.
//!
//! An item has the attributes `key` (its primary key), `partition` and `order` (the index `by-order`), `queue` (with `partition`
//! the index `by-queue`), `expires` (seconds since 1970, by which DynamoDB removes it), `tag` (a UUID that every write changes), and
//! the map `fields`.

use std::collections::HashMap;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use twin_capabilities::Instant;
use twin_documents::{Address, Document, Fields, Index, Stored, Table, Tag, Value};
use uuid::Uuid;

/// An item of DynamoDB.
pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) const KEY: &str = "key";
pub(crate) const PARTITION: &str = "partition";
pub(crate) const ORDER: &str = "order";
pub(crate) const QUEUE: &str = "queue";
pub(crate) const EXPIRES: &str = "expires";
pub(crate) const TAG: &str = "tag";
const FIELDS: &str = "fields";

/// The largest item that DynamoDB stores, names and values together.
const LARGEST_ITEM: usize = 409_600;

/// What is kept free for what a lease adds to a letter, and for differences between our count of bytes and the service's.
const RESERVE: usize = 4096;

/// The names of our own attributes, a tag, a time of expiry, and what a map costs.
const OWN_BYTES: usize = 128;

const MICROS: Instant = 1_000_000;

/// The longest place that a document has.
const LONGEST_PLACE: usize = 512;

/// Why an item is not a document of ours: the attribute that is missing, or has another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// The name of an index.
pub(crate) const fn index_name(index: Index) -> &'static str {
    match index {
        Index::Order => "by-order",
        Index::Queue => "by-queue",
    }
}

/// The attribute by which an index is sorted.
pub(crate) const fn place_name(index: Index) -> &'static str {
    match index {
        Index::Order => ORDER,
        Index::Queue => QUEUE,
    }
}

/// Whether an item would be larger than DynamoDB stores.
pub(crate) fn is_too_large(document: &Document) -> bool {
    let names = document.fields.0.len();
    document.bytes() + names + OWN_BYTES > LARGEST_ITEM - RESERVE
}

/// The tag of a document's next state.
pub(crate) fn new_tag() -> Tag {
    Tag(Uuid::new_v4().to_string())
}

/// The primary key of a document.
pub(crate) fn key(address: &Address) -> AttributeValue {
    AttributeValue::S(address.key.clone())
}

/// A document as an item.
pub(crate) fn item(document: Document, tag: Tag) -> Item {
    let Document {
        address,
        order,
        queue,
        expires_at,
        fields,
    } = document;
    let fields = fields.0.into_iter();
    let fields = fields
        .map(|(name, value)| (name, attribute(value)))
        .collect();
    let mut item = Item::from([
        (KEY.to_owned(), AttributeValue::S(address.key)),
        (PARTITION.to_owned(), AttributeValue::S(address.partition)),
        (ORDER.to_owned(), AttributeValue::S(order)),
        (TAG.to_owned(), AttributeValue::S(tag.0)),
        (FIELDS.to_owned(), AttributeValue::M(fields)),
    ]);
    if let Some(queue) = queue {
        item.insert(QUEUE.to_owned(), AttributeValue::S(queue));
    }
    if let Some(expires_at) = expires_at {
        let seconds = seconds(expires_at).to_string();
        item.insert(EXPIRES.to_owned(), AttributeValue::N(seconds));
    }
    item
}

/// An item as a document.
///
/// # Errors
/// The first attribute that does not have its form: something else than this program wrote the item.
pub(crate) fn stored(table: Table, mut item: Item) -> Result<Stored, Unreadable> {
    let address = Address {
        table,
        partition: text(&mut item, PARTITION)?,
        key: text(&mut item, KEY)?,
    };
    let queue = if item.contains_key(QUEUE) {
        Some(text(&mut item, QUEUE)?)
    } else {
        None
    };
    let expires_at = match item.remove(EXPIRES) {
        None => None,
        Some(AttributeValue::N(seconds)) => {
            let seconds: Instant = seconds.parse().map_err(|_| Unreadable(EXPIRES))?;
            Some(seconds.saturating_mul(MICROS))
        }
        Some(_) => return Err(Unreadable(EXPIRES)),
    };
    let Some(AttributeValue::M(fields)) = item.remove(FIELDS) else {
        return Err(Unreadable(FIELDS));
    };
    let fields = fields
        .into_iter()
        .map(|(name, attribute)| Ok((name, value(attribute).ok_or(Unreadable(FIELDS))?)));
    Ok(Stored {
        document: Document {
            address,
            order: text(&mut item, ORDER)?,
            queue,
            expires_at,
            fields: Fields(fields.collect::<Result<_, _>>()?),
        },
        tag: Tag(text(&mut item, TAG)?),
    })
}

/// The last place of a range: `BETWEEN` includes both of its ends, and a range does not include its second. So this is the last
/// text before `to` that may be a place, which is ASCII and at most [`LONGEST_PLACE`] bytes long.
pub(crate) fn last_before(to: &str) -> String {
    let mut last = to.to_owned();
    let Some(end) = last.pop() else {
        return last;
    };
    // Without a character before it, what is left is the text before.
    if let Some(before) = u32::from(end).checked_sub(1).and_then(char::from_u32) {
        last.push(before);
        while last.len() < LONGEST_PLACE {
            last.push('\x7f');
        }
    }
    last
}

fn attribute(value: Value) -> AttributeValue {
    match value {
        Value::Text(text) => AttributeValue::S(text),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::Bytes(bytes) => AttributeValue::B(Blob::new(bytes)),
    }
}

fn value(attribute: AttributeValue) -> Option<Value> {
    match attribute {
        AttributeValue::S(text) => Some(Value::Text(text)),
        AttributeValue::N(number) => number.parse().ok().map(Value::Number),
        AttributeValue::B(bytes) => Some(Value::Bytes(bytes.into_inner())),
        _ => None,
    }
}

fn text(item: &mut Item, name: &'static str) -> Result<String, Unreadable> {
    match item.remove(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(Unreadable(name)),
    }
}

/// Whole seconds, not before the instant.
fn seconds(instant: Instant) -> Instant {
    let begun = Instant::from(instant.rem_euclid(MICROS) > 0);
    instant.div_euclid(MICROS) + begun
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Document {
        Document {
            address: Address {
                table: Table::DeadLetters,
                partition: "factory-01/dead-letters".to_owned(),
                key: "ab".repeat(32),
            },
            order: "0001a".to_owned(),
            queue: Some("0002a".to_owned()),
            expires_at: Some(1_500_000_000_000_001),
            fields: Fields::default()
                .text("empty", "")
                .text("text", "Grüße \0")
                .number("smallest", i64::MIN)
                .number("largest", i64::MAX)
                .with("bytes", Value::Bytes(vec![0, 255])),
        }
    }

    #[test]
    fn a_document_comes_back_from_its_item() {
        let item = item(document(), Tag("t".to_owned()));
        assert_eq!(
            item[EXPIRES],
            AttributeValue::N("1500000001".to_owned()),
            "not before its time"
        );
        let back = stored(Table::DeadLetters, item).unwrap();
        let expected = Document {
            expires_at: Some(1_500_000_001_000_000),
            ..document()
        };
        assert_eq!(back.document, expected);
        assert_eq!(back.tag, Tag("t".to_owned()));
    }

    #[test]
    fn an_item_of_somebody_else_is_refused_by_the_name_of_what_is_wrong() {
        for (name, wrong) in [
            (KEY, None),
            (PARTITION, None),
            (ORDER, None),
            (TAG, None),
            (FIELDS, None),
            (QUEUE, Some(AttributeValue::Bool(true))),
            (EXPIRES, Some(AttributeValue::N("soon".to_owned()))),
            (EXPIRES, Some(AttributeValue::Null(true))),
            (
                FIELDS,
                Some(AttributeValue::M(
                    [("a".to_owned(), AttributeValue::Null(true))].into(),
                )),
            ),
        ] {
            let mut item = item(document(), Tag("t".to_owned()));
            item.remove(name);
            item.extend(wrong.map(|wrong| (name.to_owned(), wrong)));
            assert_eq!(stored(Table::State, item), Err(Unreadable(name)));
        }
    }

    #[test]
    fn the_last_place_of_a_range_is_the_last_before_its_end() {
        let end = "0001b!";
        let last = last_before(end);
        assert!(last.as_str() < end);
        let longest = format!("0001b {}", "~".repeat(LONGEST_PLACE - 6));
        for within in [
            "0001b",
            "0001b\0",
            "0001b ~",
            "0001a~~~~~~~~",
            "0001",
            "",
            &longest,
        ] {
            assert!(within <= last.as_str(), "{within:?}");
        }
        for beyond in [end, "0001b!!", "0001c", "1"] {
            assert!(beyond > last.as_str(), "{beyond:?}");
        }
        assert_eq!(last_before("a\0"), "a");
        assert_eq!(last_before(""), "");
    }

    #[test]
    fn what_dynamodb_cannot_store_is_too_large() {
        let of = |bytes: usize| {
            let mut document = document();
            document.fields = document.fields.with("body", Value::Bytes(vec![0; bytes]));
            is_too_large(&document)
        };
        assert!(!of(400_000));
        assert!(of(LARGEST_ITEM - RESERVE));
    }
}
