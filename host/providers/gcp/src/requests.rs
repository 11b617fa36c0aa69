//! Firestore's requests and answers, as far as they are not documents.

use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Value as Json, json};
use twin_documents::{Range, Table, Tag};

use crate::{
    error::Status,
    schema::{PARTITION, collection, direction, field},
    wire::{WireDocument, WireValue},
};

/// A transaction of one write.
#[derive(Debug, Serialize)]
pub(crate) struct Commit {
    writes: [Write; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Write {
    #[serde(flatten)]
    change: Change,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_document: Option<Precondition>,
}

/// What is done with a document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Change {
    /// It is written as a whole.
    Update(WireDocument),
    /// The document of this name is removed.
    Delete(String),
}

/// The state in which the document must be.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Precondition {
    /// There, or not.
    Exists(bool),
    /// As it was after the change of that time.
    UpdateTime(String),
}

impl Precondition {
    pub(crate) fn of(tag: &Tag) -> Self {
        Self::UpdateTime(tag.0.clone())
    }
}

impl Commit {
    pub(crate) fn of(change: Change, current_document: Option<Precondition>) -> Self {
        let write = Write {
            change,
            current_document,
        };
        Self { writes: [write] }
    }
}

/// Asks for one document.
pub(crate) fn batch_get(name: &str) -> Json {
    json!({"documents": [name]})
}

/// One part of an answer. The methods that read stream lists of them.
#[derive(Debug, Deserialize)]
pub(crate) struct Part {
    /// A document that was asked for.
    #[serde(alias = "found")]
    pub(crate) document: Option<WireDocument>,
    /// The name of a document that does not exist.
    pub(crate) missing: Option<IgnoredAny>,
    result: Option<Aggregated>,
    /// The answer ends here, because something failed halfway.
    pub(crate) error: Option<Status>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Aggregated {
    aggregate_fields: Number,
}

#[derive(Debug, Deserialize)]
struct Number {
    number: WireValue,
}

impl Part {
    /// The number that [`count`] asked for.
    pub(crate) fn number(&self) -> Option<u32> {
        match &self.result.as_ref()?.aggregate_fields.number {
            WireValue::Integer(number) => number.parse().ok(),
            _ => None,
        }
    }
}

/// Asks for the first documents of a range.
pub(crate) fn query(range: &Range, limit: u32) -> Json {
    let place = field(range.index);
    let filter = |field: &str, op: &str, value: &str| json!({"fieldFilter": {"field": {"fieldPath": field}, "op": op, "value": {"stringValue": value}}});
    json!({"structuredQuery": {
        "from": [{"collectionId": collection(range.table)}],
        "where": {"compositeFilter": {"op": "AND", "filters": [
            filter(PARTITION, "EQUAL", &range.partition),
            filter(place, "GREATER_THAN_OR_EQUAL", &range.from),
            filter(place, "LESS_THAN", &range.to),
        ]}},
        "orderBy": [{"field": {"fieldPath": place}, "direction": direction(range.descending)}],
        "limit": limit,
    }})
}

/// Asks for the name of any document of a table.
pub(crate) fn first_of(table: Table) -> Json {
    json!({"structuredQuery": {
        "select": {"fields": [{"fieldPath": "__name__"}]},
        "from": [{"collectionId": collection(table)}],
        "limit": 1,
    }})
}

/// Asks for the number of documents of a range, up to `limit`.
pub(crate) fn count(range: &Range, limit: u32) -> Json {
    let mut counting = query(range, limit);
    let query = counting.get_mut("structuredQuery").map(Json::take);
    json!({"structuredAggregationQuery": {
        "structuredQuery": query,
        "aggregations": [{"alias": "number", "count": {"upTo": limit.to_string()}}],
    }})
}

#[cfg(test)]
mod tests {
    use twin_documents::Index;

    use super::*;

    #[test]
    fn a_write_has_its_precondition_beside_it() {
        let tag = Tag("2026-01-01T00:00:00.123456Z".to_owned());
        let remove = Commit::of(Change::Delete("n".to_owned()), Some(Precondition::of(&tag)));
        assert_eq!(
            serde_json::to_value(remove).unwrap(),
            json!({"writes": [{
                "delete": "n",
                "currentDocument": {"updateTime": "2026-01-01T00:00:00.123456Z"},
            }]})
        );
        let document = || WireDocument {
            name: "n".to_owned(),
            fields: [].into(),
            update_time: "ignored".to_owned(),
        };
        let create = Commit::of(
            Change::Update(document()),
            Some(Precondition::Exists(false)),
        );
        assert_eq!(
            serde_json::to_value(create).unwrap(),
            json!({"writes": [{
                "update": {"name": "n", "fields": {}},
                "currentDocument": {"exists": false},
            }]})
        );
        let write = Commit::of(Change::Update(document()), None);
        assert_eq!(
            serde_json::to_value(write).unwrap(),
            json!({"writes": [{"update": {"name": "n", "fields": {}}}]})
        );
    }

    #[test]
    fn a_query_asks_for_what_the_index_has() {
        let range = Range {
            table: Table::DeadLetters,
            partition: "t/dead-letters".to_owned(),
            index: Index::Queue,
            from: "0".to_owned(),
            to: "g".to_owned(),
            descending: true,
        };
        let filter = |field: &str, op: &str, value: &str| {
            json!({"fieldFilter": {
                "field": {"fieldPath": field}, "op": op, "value": {"stringValue": value},
            }})
        };
        let asked = json!({
            "from": [{"collectionId": "dead_letters"}],
            "where": {"compositeFilter": {"op": "AND", "filters": [
                filter("partition", "EQUAL", "t/dead-letters"),
                filter("queue", "GREATER_THAN_OR_EQUAL", "0"),
                filter("queue", "LESS_THAN", "g"),
            ]}},
            "orderBy": [{"field": {"fieldPath": "queue"}, "direction": "DESCENDING"}],
            "limit": 7,
        });
        assert_eq!(query(&range, 7), json!({"structuredQuery": asked}));
        assert_eq!(
            count(&range, 7),
            json!({"structuredAggregationQuery": {
                "structuredQuery": asked,
                "aggregations": [{"alias": "number", "count": {"upTo": "7"}}],
            }})
        );
    }

    #[test]
    fn answers_are_read() {
        let read = |parts| serde_json::from_value::<Vec<Part>>(parts).unwrap();
        let time = "2026-01-01T00:00:00.000001Z";
        let document = json!({"name": "n", "fields": {}, "createTime": time, "updateTime": time});

        let found = read(json!([{"found": document, "readTime": time}]));
        assert_eq!(found[0].document.as_ref().unwrap().update_time, time);
        let missing = read(json!([{"missing": "n", "readTime": time}]));
        assert!(missing[0].document.is_none() && missing[0].missing.is_some());

        let some = read(json!([{"document": document, "readTime": time}, {"readTime": time}]));
        assert!(some[0].document.is_some() && some[1].document.is_none());

        let number = json!({"aggregateFields": {"number": {"integerValue": "12"}}});
        let counted = read(json!([{"result": number, "readTime": time}]));
        assert_eq!(counted[0].number(), Some(12));

        // What fails halfway must not pass for the end.
        let broken = read(json!([{"document": document}, {"error": {"status": "ABORTED"}}]));
        assert!(broken[1].error.is_some());
    }
}
