//! Pub/Sub and Secret Manager, over their emulators.

#![cfg(test)]

#[macro_use]
mod common;

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{emulator, fresh_project, send, settings_at};
use serde_json::{Value as Json, json};
use twin_capabilities::{
    ErrorTopic, Failure,
    error_topic::{Severity, SystemError},
    testing::{Skipped, samples::letter},
};
use twin_documents::Kind;
use twin_gcp::{GcpSettings, Identity, SecretManager};

/// A project with the twin's topics, and subscriptions to them of the same names.
async fn project() -> Result<GcpSettings, Skipped> {
    let pubsub = emulator("TWIN_TEST_PUBSUB")?;
    let mut settings = settings_at(&emulator("TWIN_TEST_FIRESTORE")?);
    settings.project = fresh_project();
    settings.endpoints.pubsub = pubsub.clone();
    let project = format!("projects/{}", settings.project);
    for name in ["factory-01-errors", "factory-01-dead-letters"] {
        let topic = format!("{project}/topics/{name}");
        send("PUT", format!("{pubsub}/v1/{topic}"), json!({})).await;
        let subscription = format!("{pubsub}/v1/{project}/subscriptions/{name}");
        send("PUT", subscription, json!({"topic": topic})).await;
        // The first message of an emulator takes it longer than the provider waits.
        let warm = json!({"messages": [{"data": "", "attributes": {"warm": "up"}}]});
        send("POST", format!("{pubsub}/v1/{topic}:publish"), warm).await;
    }
    Ok(settings)
}

/// Publishes a system error, again while the emulator takes longer than the provider waits.
async fn publish(topic: &dyn ErrorTopic, error: &SystemError) -> Result<(), Failure> {
    for _ in 0..20 {
        match topic.publish(error.clone()).await {
            Err(Failure::Unavailable(_)) => {}
            done => return done,
        }
    }
    topic.publish(error.clone()).await
}

/// The next message of a subscription, which may take a moment to arrive.
async fn pull(settings: &GcpSettings, name: &str) -> (Vec<u8>, Json) {
    let (pubsub, project) = (&settings.endpoints.pubsub, &settings.project);
    let url = format!("{pubsub}/v1/projects/{project}/subscriptions/{name}:pull");
    for _ in 0..400 {
        let pulled = send("POST", url.clone(), json!({"maxMessages": 1})).await;
        if let Some(received) = pulled["receivedMessages"].get(0) {
            let message = &received["message"];
            if message["attributes"].get("warm").is_some() {
                continue;
            }
            let data = STANDARD.decode(message["data"].as_str().unwrap()).unwrap();
            return (data, message["attributes"].clone());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("nothing arrived at {name}");
}

#[tokio::test]
async fn a_system_error_reaches_its_subscription() {
    let settings = or_skip!(project().await);
    let gcp = twin_gcp::open(settings.clone(), "factory-01").unwrap();
    let error = SystemError {
        twin_id: "factory-01".to_owned(),
        cloud_provider: "gcp".to_owned(),
        severity: Severity::Critical,
        component: "L3-Writer".to_owned(),
        error_code: "DB_WRITE_FAIL".to_owned(),
        message: "…".to_owned(),
        timestamp: "2026-01-01T00:00:00Z".to_owned(),
        raw_data: Some("{}".to_owned()),
    };
    let published = publish(&*gcp.stores().error_topic, &error).await;
    assert_eq!(published, Ok(()));
    let (data, attributes) = pull(&settings, "factory-01-errors").await;
    assert_eq!(SystemError::parse(&data), Ok(error));
    assert_eq!(attributes["severity"], "CRITICAL");
    assert_eq!(attributes["source"], "L3-Writer");
    let id = attributes["id"].as_str().unwrap();
    assert_eq!(id.parse::<uuid::Uuid>().unwrap().get_version_num(), 7);
}

#[tokio::test]
async fn a_new_letter_is_copied_once() {
    let settings = or_skip!(project().await);
    let gcp = twin_gcp::open(settings.clone(), "factory-01").unwrap();
    let letters = gcp.stores().dead_letters;
    for letter_id in ["a", "a", "b"] {
        assert_eq!(letters.push(letter(letter_id)).await, Ok(()));
    }
    let mut copied = Vec::new();
    for _ in 0..2 {
        let (data, attributes) = pull(&settings, "factory-01-dead-letters").await;
        assert_eq!(data, letter("a").envelope);
        assert_eq!(attributes["peer"], "writer");
        let letter_id = attributes["letter_id"].as_str().unwrap().to_owned();
        assert_eq!(attributes["id"], format!("message-of-{letter_id}"));
        copied.push(letter_id);
    }
    copied.sort();
    assert_eq!(copied, ["a", "b"]);
}

#[tokio::test]
async fn a_missing_topic_is_a_misconfiguration() {
    let mut settings = or_skip!(project().await);
    settings.error_topic = Some("not-there".to_owned());
    let gcp = twin_gcp::open(settings, "factory-01").unwrap();
    let error = SystemError {
        twin_id: "factory-01".to_owned(),
        cloud_provider: "gcp".to_owned(),
        severity: Severity::Info,
        component: "L3-Writer".to_owned(),
        error_code: "X".to_owned(),
        message: String::new(),
        timestamp: "2026-01-01T00:00:00Z".to_owned(),
        raw_data: None,
    };
    let published = publish(&*gcp.stores().error_topic, &error).await;
    let text = "Pub/Sub: pubsub.topics.publish failed: NOT_FOUND (missing)";
    assert_eq!(published, Err(Failure::Misconfigured(text.to_owned())));
}

#[tokio::test]
async fn a_secret_is_fetched_by_its_reference() {
    let address = or_skip!(emulator("TWIN_TEST_SECRET_MANAGER"));
    let project = fresh_project();
    let secrets = format!("{address}/v1/projects/{project}/secrets");
    let automatic = json!({"replication": {"automatic": {}}});
    send("POST", format!("{secrets}?secretId=peer-key"), automatic).await;
    for value in ["first", "second\n"] {
        let payload = json!({"payload": {"data": STANDARD.encode(value)}});
        send("POST", format!("{secrets}/peer-key:addVersion"), payload).await;
    }
    let endpoints = settings_at(&address).endpoints;
    let manager = SecretManager::open(Identity::Anonymous, &endpoints).unwrap();
    let fetch = async |name: &str, version: &str| {
        let reference = format!("projects/{project}/secrets/{name}/versions/{version}");
        manager.fetch(&reference.parse().unwrap()).await
    };
    for (version, value) in [("1", "first"), ("2", "second"), ("latest", "second")] {
        assert_eq!(fetch("peer-key", version).await.unwrap().expose(), value);
    }
    let missing = fetch("other-key", "latest").await.unwrap_err();
    assert_eq!(missing.kind, Kind::Missing);
    assert_eq!(missing.action, "secretmanager.versions.access");
}
