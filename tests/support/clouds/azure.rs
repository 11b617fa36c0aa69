//! Azure: Cosmos DB and Blob Storage of Microsoft's emulators. Event Grid has none: a stand-in takes what is published, and
//! refuses what is not in the form of its documentation.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use reqwest::Client;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};
use twin_capabilities::testing::Skipped;

use super::{
    Event, Kept, Services, emulator,
    http::{parse, send},
};
use crate::hosts::site::client;

/// The key of all emulators of Cosmos DB and of Storage. It is public.
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// A shared access signature of the emulator's account by that key, valid until 2099.
const SIGNATURE: &str = "sv=2021-12-02&ss=b&srt=sco&sp=rwlac&se=2099-01-01T00%3A00%3A00Z&spr=https%2Chttp\
    &sig=tsLIOuN2hZ4TwfhaI2%2BakoPVlxiOXHgDImpTrjkO8YE%3D";
/// The key of the stand-in for Event Grid.
const TOPIC_KEY: &str = "key-of-the-topic";

pub(super) struct Azure {
    client: Client,
    cosmos: String,
    blob: String,
    twin: String,
    topic: Topic,
}

impl Azure {
    pub(super) async fn find(twin: &str) -> Result<Self, Skipped> {
        Ok(Self {
            client: client(),
            cosmos: emulator("TWIN_TEST_COSMOS")?,
            blob: emulator("TWIN_TEST_AZURE_BLOB")?,
            twin: twin.to_owned(),
            topic: Topic::start().await,
        })
    }

    /// A container of blobs for each twin, because they share the account.
    fn container(&self) -> String {
        format!("letters-of-{}", self.twin)
    }

    async fn documents(&self, container: &str) -> usize {
        let url = format!("{}/dbs/{}/colls/{container}/docs", self.cosmos, self.twin);
        let request = self
            .client
            .get(&url)
            .header("x-ms-version", "2018-12-31")
            .header("x-ms-date", "thu, 01 jan 2026 00:00:00 gmt")
            .header("x-ms-max-item-count", "-1")
            .header("authorization", "type%3Dmaster%26ver%3D1.0%26sig%3Dany");
        let (status, reply) = send(request).await;
        assert!(status.is_success(), "{url} answered {status}: {reply}");
        let documents = parse(&reply)["Documents"].as_array().map(Vec::len);
        documents.unwrap()
    }

    async fn blobs(&self) -> usize {
        let container = self.container();
        let url = format!(
            "{}/{container}?restype=container&comp=list&{SIGNATURE}",
            self.blob
        );
        let (status, list) = send(self.client.get(&url)).await;
        assert!(status.is_success(), "{container} answered {status}: {list}");
        list.matches("<Name>").count()
    }
}

#[async_trait]
impl Services for Azure {
    fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("TWIN_STORE", "azure".to_owned()),
            ("TWIN_AZURE_COSMOS_ENDPOINT", self.cosmos.clone()),
            ("TWIN_AZURE_COSMOS_KEY", KEY.to_owned()),
            ("TWIN_AZURE_TOPIC_ENDPOINT", self.topic.url.clone()),
            ("TWIN_AZURE_TOPIC_KEY", TOPIC_KEY.to_owned()),
            (
                "TWIN_AZURE_STORAGE_ENDPOINT",
                format!("{}?{SIGNATURE}", self.blob),
            ),
            ("TWIN_AZURE_STORAGE_CONTAINER", self.container()),
        ]
    }

    fn address(&self) -> &'static str {
        "TWIN_AZURE_COSMOS_ENDPOINT"
    }

    async fn subscribe(&self) {}

    async fn receive(&self) -> Vec<Event> {
        self.topic.waiting.lock().unwrap().clone()
    }

    async fn confirm(&self, event: &Event) {
        let mut waiting = self.topic.waiting.lock().unwrap();
        waiting.retain(|other| other.id != event.id);
    }

    async fn kept(&self) -> Vec<Kept> {
        vec![
            Kept::of("Cosmos DB", "messages", self.documents("Messages").await),
            Kept::of(
                "Cosmos DB",
                "system errors",
                self.documents("SystemErrors").await,
            ),
            Kept::of(
                "Cosmos DB",
                "dead letters",
                self.documents("DeadLetters").await,
            ),
            Kept::of(
                "Cosmos DB",
                "circuits and other state",
                self.documents("State").await,
            ),
            Kept::of("Blob Storage", "copies of dead letters", self.blobs().await),
        ]
    }
}

/// A stand-in for a custom topic of Event Grid.
struct Topic {
    url: String,
    waiting: Arc<Mutex<Vec<Event>>>,
    task: JoinHandle<()>,
}

impl Topic {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/events", listener.local_addr().unwrap());
        let waiting = Arc::new(Mutex::default());
        let taken = Arc::clone(&waiting);
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let taken = Arc::clone(&taken);
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(&taken, request));
                    let served =
                        http1::Builder::new().serve_connection(TokioIo::new(connection), service);
                    // A client that goes away is no failure of the server.
                    let _ = served.await;
                });
            }
        });
        Self { url, waiting, task }
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    waiting: &Mutex<Vec<Event>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes());
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let status = if header("aeg-sas-key") != Some(TOPIC_KEY) {
        401
    } else if head.uri.query() != Some("api-version=2018-01-01")
        || header("content-type") != Some("application/cloudevents-batch+json; charset=utf-8")
    {
        400
    } else {
        match body.ok().and_then(|body| events(&body)) {
            Some(events) => {
                waiting.lock().unwrap().extend(events);
                200
            }
            None => 400,
        }
    };
    let response = Response::builder().status(status);
    Ok(response.body(Full::default()).unwrap())
}

/// A batch of CloudEvents; `None` if it is anything else.
fn events(body: &[u8]) -> Option<Vec<Event>> {
    let batch: Vec<Value> = serde_json::from_slice(body).ok()?;
    let events = batch.iter().map(|event| {
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        let is_error = text("specversion") == Some("1.0")
            && text("type") == Some("Error")
            && text("source").is_some_and(|source| source.starts_with("twin2multicloud."));
        let id = text("id").filter(|_| is_error)?.to_owned();
        Some(Event {
            receipt: id.clone(),
            id,
            error: event.get("data")?.to_string(),
        })
    });
    events.collect()
}
