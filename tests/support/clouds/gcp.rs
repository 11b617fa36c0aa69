//! GCP: Firestore and Pub/Sub of Google's emulators.

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Client;
use serde_json::{Value, json};
use twin_capabilities::testing::Skipped;

use super::{Event, Kept, Services, emulator, http};
use crate::hosts::site::client;

const PROJECT: &str = "twins";

pub(super) struct Gcp {
    client: Client,
    firestore: String,
    pubsub: String,
    twin: String,
}

impl Gcp {
    pub(super) fn find(twin: &str) -> Result<Self, Skipped> {
        Ok(Self {
            client: client(),
            firestore: emulator("TWIN_TEST_FIRESTORE")?,
            pubsub: emulator("TWIN_TEST_PUBSUB")?,
            twin: twin.to_owned(),
        })
    }

    fn of_pubsub(&self, kind: &str, name: &str) -> String {
        format!("projects/{PROJECT}/{kind}/{}-{name}", self.twin)
    }

    /// Creates a topic, and subscribes to it.
    async fn subscribe_to(&self, topic: &str) {
        let url = format!("{}/v1/{}", self.pubsub, self.of_pubsub("topics", topic));
        http::json(self.client.put(url), &json!({})).await;
        let subscription = self.of_pubsub("subscriptions", topic);
        let url = format!("{}/v1/{subscription}", self.pubsub);
        let wanted = json!({"topic": self.of_pubsub("topics", topic), "ackDeadlineSeconds": 60});
        http::json(self.client.put(url), &wanted).await;
    }

    async fn pull(&self, topic: &str, most: usize) -> Vec<Value> {
        let subscription = self.of_pubsub("subscriptions", topic);
        let url = format!("{}/v1/{subscription}:pull", self.pubsub);
        let wanted = json!({"maxMessages": most, "returnImmediately": true});
        let pulled = http::json(self.client.post(url), &wanted).await;
        let messages = pulled["receivedMessages"].as_array();
        messages.cloned().unwrap_or_default()
    }

    async fn documents(&self, collection: &str) -> usize {
        let parent = format!("v1/projects/{PROJECT}/databases/{}/documents", self.twin);
        let query = json!({"structuredAggregationQuery": {
            "structuredQuery": {"from": [{"collectionId": collection}]},
            "aggregations": [{"alias": "all", "count": {}}],
        }});
        let url = format!("{}/{parent}:runAggregationQuery", self.firestore);
        let counted = http::json(self.client.post(url), &query).await;
        let count = &counted[0]["result"]["aggregateFields"]["all"]["integerValue"];
        count.as_str().unwrap().parse().unwrap()
    }
}

#[async_trait]
impl Services for Gcp {
    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("TWIN_STORE", "gcp".to_owned()),
            ("TWIN_GCP_PROJECT", PROJECT.to_owned()),
            ("TWIN_GCP_DATABASE", self.twin.clone()),
            ("TWIN_GCP_FIRESTORE_ENDPOINT", self.firestore.clone()),
            ("TWIN_GCP_PUBSUB_ENDPOINT", self.pubsub.clone()),
            ("TWIN_GCP_ANONYMOUS", "true".to_owned()),
        ]
    }

    fn address(&self) -> &'static str {
        "TWIN_GCP_FIRESTORE_ENDPOINT"
    }

    /// Google's emulator of Firestore has every database and index, and no interface to create them.
    fn has_administration(&self) -> bool {
        false
    }

    async fn subscribe(&self) {
        self.subscribe_to("errors").await;
        self.subscribe_to("dead-letters").await;
    }

    async fn receive(&self) -> Vec<Event> {
        let messages = self.pull("errors", 10).await;
        let events = messages.iter().map(|received| {
            let message = &received["message"];
            let data = STANDARD.decode(message["data"].as_str().unwrap()).unwrap();
            Event {
                id: message["attributes"]["id"].as_str().unwrap().to_owned(),
                error: String::from_utf8(data).unwrap(),
                receipt: received["ackId"].as_str().unwrap().to_owned(),
            }
        });
        events.collect()
    }

    async fn confirm(&self, event: &Event) {
        let subscription = self.of_pubsub("subscriptions", "errors");
        let url = format!("{}/v1/{subscription}:acknowledge", self.pubsub);
        let receipts = json!({"ackIds": [event.receipt]});
        http::json(self.client.post(url), &receipts).await;
    }

    async fn kept(&self) -> Vec<Kept> {
        let copies = self.pull("dead-letters", 1000).await.len();
        vec![
            Kept::of("Firestore", "messages", self.documents("messages").await),
            Kept::of(
                "Firestore",
                "system errors",
                self.documents("system_errors").await,
            ),
            Kept::of(
                "Firestore",
                "dead letters",
                self.documents("dead_letters").await,
            ),
            Kept::of(
                "Firestore",
                "circuits and other state",
                self.documents("state").await,
            ),
            Kept::of("Pub/Sub", "copies of dead letters", copies),
        ]
    }
}
