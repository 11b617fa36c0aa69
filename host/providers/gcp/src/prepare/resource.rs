//! The forms of the administrative interfaces, as far as they are needed.

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use twin_documents::Problem;

use crate::schema::{Composite, PARTITION, direction, field};

/// `NEEDS_REPAIR`, or a state that is not documented.
const FAILED: Problem =
    Problem::differs("Firestore failed to build it: remove it, and run `twin store init`");

/// A Firestore database.
#[derive(Debug, Deserialize)]
pub(super) struct Database {
    #[serde(rename = "type", default)]
    mode: String,
}

impl Database {
    /// The other mode, Datastore, has another interface.
    pub(super) fn is_native(&self) -> bool {
        self.mode == "FIRESTORE_NATIVE"
    }
}

/// A composite index, to be created. Firestore adds the document's name as its last field.
pub(super) fn index(composite: &Composite) -> Json {
    json!({"queryScope": "COLLECTION", "fields": [
        {"fieldPath": PARTITION, "order": direction(false)},
        {"fieldPath": field(composite.index), "order": direction(composite.descending)},
    ]})
}

/// The composite indexes of a collection.
#[derive(Debug, Deserialize)]
pub(super) struct Indexes {
    #[serde(default)]
    indexes: Vec<Index>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Index {
    query_scope: String,
    fields: Vec<IndexField>,
    state: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct IndexField {
    field_path: String,
    order: String,
}

impl Indexes {
    pub(super) fn problem_with(&self, composite: &Composite) -> Option<Problem> {
        let wanted = [
            (PARTITION, direction(false)),
            (field(composite.index), direction(composite.descending)),
        ];
        let serves = |index: &&Index| {
            let fields = index.fields.iter();
            index.query_scope == "COLLECTION"
                && fields
                    .map(|field| (field.field_path.as_str(), field.order.as_str()))
                    .filter(|(path, _)| *path != "__name__")
                    .eq(wanted)
        };
        match self.indexes.iter().find(serves) {
            None => Some(Problem::Missing),
            Some(index) if index.state == "READY" => None,
            Some(index) if index.state == "CREATING" => Some(Problem::Building),
            Some(_) => Some(FAILED),
        }
    }
}

/// A field without indexes of its own.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Exemption {
    #[serde(default)]
    index_config: IndexConfig,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_config: Option<Lifetime>,
}

/// The indexes of a field. Without any, and not inheriting those of the database, it has none.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct IndexConfig {
    indexes: Vec<Json>,
    #[serde(skip_serializing)]
    uses_ancestor_config: bool,
    #[serde(skip_serializing)]
    reverting: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Lifetime {
    #[serde(skip_serializing)]
    state: String,
}

impl Exemption {
    pub(super) fn new(lifetime: bool) -> Self {
        Self {
            index_config: IndexConfig::default(),
            ttl_config: lifetime.then(Lifetime::default),
        }
    }

    pub(super) fn problem(&self, lifetime: bool) -> Option<Problem> {
        let config = &self.index_config;
        if config.uses_ancestor_config || !config.indexes.is_empty() || config.reverting {
            return Some(Problem::Missing);
        }
        match &self.ttl_config {
            _ if !lifetime => None,
            None => Some(Problem::Missing),
            Some(ttl) if ttl.state == "ACTIVE" => None,
            Some(ttl) if ttl.state == "CREATING" => Some(Problem::Building),
            Some(_) => Some(FAILED),
        }
    }
}

/// A topic with Pub/Sub's defaults.
#[derive(Debug, Serialize)]
pub(super) struct Topic {}

/// A subscription that keeps what nobody fetches for a week, and stays though nobody does.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscription {
    topic: String,
    #[serde(skip_deserializing)]
    message_retention_duration: &'static str,
    #[serde(skip_deserializing)]
    expiration_policy: Never,
}

/// No time after which a subscription that is not used is removed.
#[derive(Debug, Default, Serialize)]
struct Never {}

impl Subscription {
    pub(super) fn to(topic: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            message_retention_duration: "604800s",
            expiration_policy: Never {},
        }
    }

    pub(super) fn is_to(&self, topic: &str) -> bool {
        self.topic == topic
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::COMPOSITES;

    #[test]
    fn what_is_created_is_found_again() {
        let created = COMPOSITES.map(|composite| {
            let mut index = index(&composite);
            let name = json!({"fieldPath": "__name__", "order": direction(composite.descending)});
            index["fields"].as_array_mut().unwrap().push(name);
            index["state"] = "READY".into();
            index["name"] = "projects/p/databases/d/collectionGroups/c/indexes/i".into();
            index
        });
        let read = |indexes: &[Json]| -> Indexes {
            serde_json::from_value(json!({"indexes": indexes})).unwrap()
        };
        for (place, composite) in COMPOSITES.iter().enumerate() {
            let mut only = [created[place].clone()];
            assert_eq!(read(&only).problem_with(composite), None);
            only[0]["state"] = "CREATING".into();
            let building = read(&only).problem_with(composite);
            assert_eq!(building, Some(Problem::Building));
            only[0]["state"] = "NEEDS_REPAIR".into();
            let broken = read(&only).problem_with(composite);
            assert_eq!(broken, Some(FAILED));
            only[0]["queryScope"] = "COLLECTION_GROUP".into();
            let other = read(&only).problem_with(composite);
            assert_eq!(other, Some(Problem::Missing));
        }
        let none: Indexes = serde_json::from_str("{}").unwrap();
        assert_eq!(none.problem_with(&COMPOSITES[0]), Some(Problem::Missing));
    }

    #[test]
    fn an_exemption_has_no_indexes_and_inherits_none() {
        let problem = |field: Json, lifetime| {
            let exemption: Exemption = serde_json::from_value(field).unwrap();
            exemption.problem(lifetime)
        };
        let inherited = json!({"indexConfig": {
            "usesAncestorConfig": true, "ancestorField": "f",
            "indexes": [{"queryScope": "COLLECTION", "state": "READY"}],
        }});
        assert_eq!(problem(inherited, false), Some(Problem::Missing));
        let exempt = json!({"name": "f", "indexConfig": {}});
        assert_eq!(problem(exempt.clone(), false), None);
        assert_eq!(problem(exempt, true), Some(Problem::Missing));
        let state = |state| json!({"indexConfig": {}, "ttlConfig": {"state": state}});
        assert_eq!(problem(state("ACTIVE"), true), None);
        assert_eq!(problem(state("CREATING"), true), Some(Problem::Building));
        let broken = problem(state("NEEDS_REPAIR"), true);
        assert_eq!(broken, Some(FAILED));
    }
}
