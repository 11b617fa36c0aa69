//! What is made in a project, and found missing there. The administration of Firestore has no emulator: a stand-in records the
//! requests, which are compared with Google's documentation of them.

#![cfg(test)]

mod common;

use common::{Answer, Asked, StandIn};
use serde_json::{Value as Json, json};
use twin_gcp::{Finding, Problem};

const DATABASE: &str = "/v1/projects/my-project/databases/(default)";
const TWIN: &str = "factory-01";

fn native() -> Answer {
    Answer::of(200, json!({"name": "d", "type": "FIRESTORE_NATIVE"}))
}

/// A project in which there is nothing but the database.
fn empty(asked: &Asked) -> Answer {
    match asked.line.as_str() {
        line if line == format!("GET {DATABASE}") => native(),
        line if line.starts_with("GET ") && line.contains("/fields/") => {
            Answer::of(200, json!({"indexConfig": {"usesAncestorConfig": true}}))
        }
        line if line.starts_with("GET ") && line.contains("/indexes") => Answer::of(200, "{}"),
        line if line.starts_with("GET ") => Answer::error(404, "NOT_FOUND"),
        _ => Answer::of(200, json!({"name": "operation"})),
    }
}

/// A project in which there is everything.
fn full(asked: &Asked) -> Answer {
    let directions = ["ASCENDING", "DESCENDING"];
    let index = |field: &str, direction: &str| {
        json!({"queryScope": "COLLECTION", "state": "READY", "fields": [
            {"fieldPath": "partition", "order": "ASCENDING"},
            {"fieldPath": field, "order": direction},
            {"fieldPath": "__name__", "order": direction},
        ]})
    };
    let indexes: Vec<Json> = ["order", "queue"]
        .iter()
        .flat_map(|field| directions.map(|direction| index(field, direction)))
        .collect();
    match asked.line.as_str() {
        line if line == format!("GET {DATABASE}") => native(),
        line if line.starts_with("GET ") && line.contains("/fields/") => {
            let ttl = json!({"state": "ACTIVE"});
            Answer::of(200, json!({"indexConfig": {}, "ttlConfig": ttl}))
        }
        line if line.starts_with("GET ") && line.contains("/indexes") => {
            Answer::of(200, json!({"indexes": indexes}))
        }
        line if line.starts_with("GET ") => {
            let topic = "projects/my-project/topics/factory-01-dead-letters";
            Answer::of(200, json!({"name": "n", "topic": topic}))
        }
        _ => Answer::error(409, "ALREADY_EXISTS"),
    }
}

fn without_questions(asked: Vec<Asked>) -> Vec<(String, Json)> {
    asked
        .into_iter()
        .filter(|asked| !asked.line.starts_with("GET "))
        .map(|asked| (asked.line, asked.body))
        .collect()
}

/// The requests that make everything.
fn golden() -> Vec<(String, Json)> {
    let collections = ["messages", "system_errors", "dead_letters", "state"];
    let exempt = json!({"indexConfig": {"indexes": []}});
    let expiring = json!({"indexConfig": {"indexes": []}, "ttlConfig": {}});
    let mut requests = Vec::new();
    for collection in collections {
        for field in ["partition", "order", "queue", "expires", "fields"] {
            if (field == "queue" && collection != "dead_letters")
                || (field == "expires" && collection == "state")
            {
                continue;
            }
            let path = format!("PATCH {DATABASE}/collectionGroups/{collection}/fields/{field}");
            requests.push(if field == "expires" {
                let path = format!("{path}?updateMask=indexConfig,ttlConfig");
                (path, expiring.clone())
            } else {
                (format!("{path}?updateMask=indexConfig"), exempt.clone())
            });
        }
    }
    for (collection, field, direction) in [
        ("messages", "order", "ASCENDING"),
        ("messages", "order", "DESCENDING"),
        ("system_errors", "order", "ASCENDING"),
        ("system_errors", "order", "DESCENDING"),
        ("dead_letters", "order", "ASCENDING"),
        ("dead_letters", "queue", "ASCENDING"),
        ("dead_letters", "queue", "DESCENDING"),
        ("state", "order", "ASCENDING"),
    ] {
        let index = json!({"queryScope": "COLLECTION", "fields": [
            {"fieldPath": "partition", "order": "ASCENDING"},
            {"fieldPath": field, "order": direction},
        ]});
        let path = format!("POST {DATABASE}/collectionGroups/{collection}/indexes");
        requests.push((path, index));
    }
    let topics = "/v1/projects/my-project/topics";
    requests.push((format!("PUT {topics}/factory-01-errors"), json!({})));
    requests.push((format!("PUT {topics}/factory-01-dead-letters"), json!({})));
    requests.push((
        "PUT /v1/projects/my-project/subscriptions/factory-01-dead-letters".to_owned(),
        json!({
            "topic": "projects/my-project/topics/factory-01-dead-letters",
            "messageRetentionDuration": "604800s",
            "expirationPolicy": {},
        }),
    ));
    requests
}

#[tokio::test]
async fn init_makes_what_the_queries_need() {
    let stand_in = StandIn::answering(empty).await;
    let settings = stand_in.settings();
    let done = twin_gcp::init(&settings, TWIN).await.unwrap();
    assert_eq!(without_questions(stand_in.asked()), golden());

    let planned = twin_gcp::plan(&settings, TWIN).unwrap();
    let made: Vec<_> = done.iter().map(|done| done.what.clone()).collect();
    assert_eq!(made, planned);
    let (database, others) = done.split_first().unwrap();
    assert!(!database.created);
    assert!(others.iter().all(|prepared| prepared.created));
}

#[tokio::test]
async fn init_changes_nothing_that_is_there() {
    let stand_in = StandIn::answering(full).await;
    let done = twin_gcp::init(&stand_in.settings(), TWIN).await.unwrap();
    assert!(done.iter().all(|prepared| !prepared.created));
    let asked = without_questions(stand_in.asked());
    assert!(asked.iter().all(|(line, _)| !line.starts_with("PATCH")));
    assert_eq!(
        twin_gcp::check(&stand_in.settings(), TWIN).await.unwrap(),
        []
    );
}

#[tokio::test]
async fn check_finds_what_is_missing() {
    let stand_in = StandIn::answering(empty).await;
    let settings = stand_in.settings();
    let found = twin_gcp::check(&settings, TWIN).await.unwrap();
    assert_eq!(without_questions(stand_in.asked()), []);
    let mut planned = twin_gcp::plan(&settings, TWIN).unwrap();
    planned.remove(0);
    let expected: Vec<_> = planned
        .into_iter()
        .map(|what| Finding::of(what, Problem::Missing))
        .collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn check_says_what_it_may_not_see() {
    let stand_in = StandIn::always(Answer::error(403, "PERMISSION_DENIED")).await;
    let settings = stand_in.settings();
    let found = twin_gcp::check(&settings, TWIN).await.unwrap();
    let planned = twin_gcp::plan(&settings, TWIN).unwrap();
    assert_eq!(found.len(), planned.len());
    assert_eq!(
        found[0].to_string(),
        "Firestore database projects/my-project/databases/(default): Firestore: datastore.databases.getMetadata failed: \
         PERMISSION_DENIED (denied)"
    );
}

#[tokio::test]
async fn init_needs_a_database_in_native_mode() {
    for answer in [
        Answer::error(404, "NOT_FOUND"),
        Answer::of(200, json!({"name": "d", "type": "DATASTORE_MODE"})),
    ] {
        let stand_in = StandIn::always(answer).await;
        let failed = twin_gcp::init(&stand_in.settings(), TWIN).await;
        let failed = failed.unwrap_err().to_string();
        assert!(
            failed.contains("datastore.databases.getMetadata"),
            "{failed}"
        );
        assert!(failed.ends_with("(missing)"), "{failed}");
        assert_eq!(stand_in.asked().len(), 1);
    }
}
