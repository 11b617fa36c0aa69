//! What the tests share: where the emulators are, and a stand-in for a service.

#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod sas;

use std::{
    collections::VecDeque,
    env,
    sync::{Arc, Mutex},
};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use twin_capabilities::testing::Skipped;
use uuid::Uuid;

/// An endpoint of Cosmos DB: `http://127.0.0.1:8081`.
pub(crate) const COSMOS: &str = "TWIN_TEST_COSMOS";

/// An endpoint of Blob Storage: `http://127.0.0.1:10000/devstoreaccount1`.
pub(crate) const BLOB: &str = "TWIN_TEST_AZURE_BLOB";

/// The well-known key of all emulators of Cosmos DB and Storage is public; any other has the same form.
pub(crate) const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// The value of a variable that a test needs.
pub(crate) fn variable(name: &str) -> Result<String, Skipped> {
    env::var(name).map_err(|_| Skipped(format!("{name} is not set: an endpoint to test against")))
}

/// A name that nothing else has.
pub(crate) fn fresh() -> String {
    format!("test-{}", Uuid::now_v7())
}

/// An identity whose token is `the-token`, or that has none.
#[derive(Debug)]
pub(crate) struct Fixed {
    has_token: bool,
    asked: Mutex<Vec<String>>,
}

impl Fixed {
    pub(crate) fn new() -> Arc<Self> {
        Self::with(true)
    }

    pub(crate) fn refusing() -> Arc<Self> {
        Self::with(false)
    }

    fn with(has_token: bool) -> Arc<Self> {
        Arc::new(Self {
            has_token,
            asked: Mutex::default(),
        })
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl TokenCredential for Fixed {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        self.asked.lock().unwrap().push(scopes.join(" "));
        if !self.has_token {
            let refusal = "refused by the test";
            return Err(azure_core::Error::with_message(
                azure_core::error::ErrorKind::Credential,
                refusal,
            ));
        }
        let ends = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
        Ok(AccessToken::new("the-token", ends.into()))
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// `POST /dbs/a/colls/b/docs`.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A stand-in for a service: gives the answers it was told, in their order, and the last one again and again. Records what it was
/// asked.
pub(crate) struct StandIn {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

/// Status line, headers and body of an answer; the length is added.
pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> String {
    let mut text = format!("HTTP/1.1 {status} -\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text + "\r\n" + body
}

impl StandIn {
    pub(crate) async fn answering(replies: impl IntoIterator<Item = String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let replies = Arc::new(Mutex::new(replies.into_iter().collect::<VecDeque<_>>()));
        let recorded = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let (recorded, replies) = (Arc::clone(&recorded), Arc::clone(&replies));
                tokio::spawn(serve(connection, recorded, replies));
            }
        });
        Self { url, seen, task }
    }

    /// One that takes connections and never answers.
    pub(crate) async fn silent() -> Self {
        Self::answering([]).await
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut connection: TcpStream,
    recorded: Arc<Mutex<Vec<Seen>>>,
    replies: Arc<Mutex<VecDeque<String>>>,
) {
    let mut buffer = Vec::new();
    loop {
        let Some(seen) = receive(&mut connection, &mut buffer).await else {
            return;
        };
        recorded.lock().unwrap().push(seen);
        let reply = {
            let mut replies = replies.lock().unwrap();
            match replies.len() {
                0 => None,
                1 => replies.front().cloned(),
                _ => replies.pop_front(),
            }
        };
        match reply {
            Some(reply) => connection.write_all(reply.as_bytes()).await.unwrap(),
            None => std::future::pending().await,
        }
    }
}

async fn receive(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    loop {
        let end = buffer.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let mut lines = head.split("\r\n");
            let line = lines
                .next()
                .unwrap()
                .trim_end_matches(" HTTP/1.1")
                .to_owned();
            let headers: Vec<_> = lines
                .map(|line| line.split_once(": ").unwrap_or((line, "")))
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect();
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length: usize = length.map_or(0, |(_, length)| length.parse().unwrap());
            if buffer.len() >= end + 4 + length {
                let rest = buffer.split_off(end + 4 + length);
                let body = buffer.split_off(end + 4);
                *buffer = rest;
                return Some(Seen {
                    line,
                    headers,
                    body,
                });
            }
        }
        let mut more = [0; 4096];
        match connection.read(&mut more).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => buffer.extend_from_slice(&more[..count]),
        }
    }
}
