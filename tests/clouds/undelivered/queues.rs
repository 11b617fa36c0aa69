//! The queues of the platforms, by the plain protocols of their services.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Map, Value, json};
use twin_capabilities::testing::Skipped;
use twin_tests::{
    clouds::{
        account::{Account, KEY, REGION},
        emulator,
    },
    hosts::{house::Host, site::client},
};
use uuid::Uuid;

fn fresh() -> String {
    format!("undelivered-{}", Uuid::now_v7().simple())
}

/// Queues of SQS.
pub(super) struct Queues(Account);

impl Queues {
    pub(super) fn find() -> Result<Self, Skipped> {
        Account::find().map(Self)
    }

    async fn call(&self, action: &str, body: Value) -> Value {
        self.0
            .json("sqs", &format!("AmazonSQS.{action}"), &body)
            .await
    }

    /// The URL of a new one.
    pub(super) async fn create(&self) -> String {
        let made = self
            .call("CreateQueue", json!({"QueueName": fresh()}))
            .await;
        made["QueueUrl"].as_str().unwrap().to_owned()
    }

    /// A host whose operator may read the queues.
    pub(super) fn host(&self, host: Host) -> Host {
        host.set("AWS_ENDPOINT_URL", &self.0.endpoint)
            .set("AWS_REGION", REGION)
            .set("AWS_ACCESS_KEY_ID", KEY)
            .set("AWS_SECRET_ACCESS_KEY", KEY)
    }

    /// Puts a message into a queue, with attributes of these names.
    pub(super) async fn send(&self, queue: &str, body: &str, attributes: &[&str]) {
        let value = json!({"DataType": "String", "StringValue": "200"});
        let attributes = attributes
            .iter()
            .map(|name| ((*name).to_owned(), value.clone()));
        let attributes: Map<_, _> = attributes.collect();
        let message =
            json!({"QueueUrl": queue, "MessageBody": body, "MessageAttributes": attributes});
        self.call("SendMessage", message).await;
    }

    /// How many messages are visible.
    pub(super) async fn count(&self, queue: &str) -> usize {
        let name = "ApproximateNumberOfMessages";
        let asked = json!({"QueueUrl": queue, "AttributeNames": [name]});
        let found = self.call("GetQueueAttributes", asked).await;
        found["Attributes"][name].as_str().unwrap().parse().unwrap()
    }
}

/// Containers of Blob Storage.
pub(super) struct Containers {
    endpoint: String,
    client: Client,
}

/// A shared access signature of the emulator's account by its public key, valid until 2099.
const SIGNATURE: &str = "sv=2021-12-02&ss=b&srt=sco&sp=rwdlac&se=2099-01-01T00%3A00%3A00Z&spr=https%2Chttp\
    &sig=jlSI%2B5DohmjtlB2oCr2Vhd9u7l%2F%2FvB9E8D7vhfmKGX4%3D";

impl Containers {
    pub(super) fn find() -> Result<Self, Skipped> {
        Ok(Self {
            endpoint: emulator("TWIN_TEST_AZURE_BLOB")?,
            client: client(),
        })
    }

    async fn call(&self, method: Method, url: &str, body: &str) -> String {
        let request = self
            .client
            .request(method, url)
            .header("x-ms-version", "2021-12-02")
            .header("x-ms-blob-type", "BlockBlob")
            .header("content-length", body.len())
            .body(body.to_owned());
        let reply = request.send().await.unwrap();
        let (status, text): (StatusCode, _) = (reply.status(), reply.text().await.unwrap());
        assert!(status.is_success(), "{status}: {text}");
        text
    }

    /// The URL of a new one, with its signature.
    pub(super) async fn create(&self) -> String {
        let url = format!("{}/{}?{SIGNATURE}", self.endpoint, fresh());
        self.call(Method::PUT, &format!("{url}&restype=container"), "")
            .await;
        url
    }

    pub(super) async fn put(&self, container: &str, name: &str, body: &str) {
        let (container, signature) = container.split_once('?').unwrap();
        let url = format!("{container}/{name}?{signature}");
        self.call(Method::PUT, &url, body).await;
    }

    /// The names of the blobs.
    pub(super) async fn names(&self, container: &str) -> Vec<String> {
        let url = format!("{container}&restype=container&comp=list");
        let list = self.call(Method::GET, &url, "").await;
        let names = list.split("<Name>").skip(1);
        let names = names.map(|rest| rest.split('<').next().unwrap().to_owned());
        names.collect()
    }
}

/// Subscriptions of Pub/Sub.
pub(super) struct Subscriptions {
    pubsub: String,
    firestore: String,
    client: Client,
}

const PROJECT: &str = "twins";

impl Subscriptions {
    pub(super) fn find() -> Result<Self, Skipped> {
        Ok(Self {
            pubsub: emulator("TWIN_TEST_PUBSUB")?,
            firestore: emulator("TWIN_TEST_FIRESTORE")?,
            client: client(),
        })
    }

    async fn call(&self, method: Method, path: &str, body: Value) {
        let url = format!("{}/v1/{path}", self.pubsub);
        let request = self.client.request(method, url).body(body.to_string());
        let reply = request.send().await.unwrap();
        let (status, text) = (reply.status(), reply.text().await.unwrap());
        assert!(status.is_success(), "{status}: {text}");
    }

    /// The name of a new one, of a topic of its own.
    pub(super) async fn create(&self) -> String {
        let name = fresh();
        let topic = format!("projects/{PROJECT}/topics/{name}");
        self.call(Method::PUT, &topic, json!({})).await;
        let subscription = format!("projects/{PROJECT}/subscriptions/{name}");
        self.call(Method::PUT, &subscription, json!({"topic": topic}))
            .await;
        subscription
    }

    /// A host that keeps its data in the same project.
    pub(super) fn host(&self, host: Host) -> Host {
        let twin = fresh();
        host.set("TWIN_NAME", &twin)
            .set("TWIN_STORE", "gcp")
            .set("TWIN_GCP_PROJECT", PROJECT)
            .set("TWIN_GCP_DATABASE", &twin)
            .set("TWIN_GCP_FIRESTORE_ENDPOINT", &self.firestore)
            .set("TWIN_GCP_PUBSUB_ENDPOINT", &self.pubsub)
            .set("TWIN_GCP_ANONYMOUS", "true")
    }

    pub(super) async fn publish(&self, subscription: &str, data: &str, attributes: &Value) {
        let topic = subscription.replace("subscriptions", "topics");
        let message = json!({"data": STANDARD.encode(data), "attributes": attributes});
        let path = format!("{topic}:publish");
        self.call(Method::POST, &path, json!({"messages": [message]}))
            .await;
    }
}
