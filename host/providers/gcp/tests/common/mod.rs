//! What the tests share: a stand-in for Google's services that answers as a test says and remembers what it was asked, and
//! settings for it and for emulators.

#![allow(
    dead_code,
    unused_macros,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "each test uses its part"
)]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use serde_json::Value as Json;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
};
use twin_capabilities::testing::Skipped;
use twin_gcp::{GcpSettings, Identity};

/// The value, or the end of the test where the emulator is missing.
macro_rules! or_skip {
    ($possible:expr) => {
        match $possible {
            Ok(possible) => possible,
            Err(Skipped(reason)) => return println!("skipped: {reason}"),
        }
    };
}

/// Sends something to an emulator.
pub(crate) async fn send(method: &str, url: String, body: Json) -> Json {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let request = reqwest::Client::new()
        .request(method.parse().unwrap(), url)
        .header("content-type", "application/json")
        .body(body.to_string());
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let text = answer.text().await.unwrap();
    assert!(status.is_success(), "{status} {text}");
    serde_json::from_str(&text).unwrap()
}

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    /// `POST /v1/…`
    pub(crate) line: String,
    pub(crate) authorization: Option<String>,
    /// `null` without a body.
    pub(crate) body: Json,
}

/// What is answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn of(status: u16, body: impl ToString) -> Self {
        Self {
            status,
            headers: String::new(),
            body: body.to_string(),
        }
    }

    /// An error in the form of Google's services.
    pub(crate) fn error(http: u16, code: &str) -> Self {
        let error = serde_json::json!({"code": http, "message": "something else", "status": code});
        Self::of(http, serde_json::json!({"error": error}))
    }

    pub(crate) fn with(mut self, header: &str) -> Self {
        self.headers = format!("{header}\r\n");
        self
    }
}

type Handler = dyn Fn(&Asked) -> Answer + Send + Sync;

/// A server on this machine.
pub(crate) struct StandIn {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl StandIn {
    /// Starts a server that answers so.
    pub(crate) async fn answering(
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::default();
        let (handler, seen): (Arc<Handler>, _) = (Arc::new(answer), Arc::clone(&asked));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&handler), Arc::clone(&seen)));
            }
        });
        Self { address, asked }
    }

    /// A server that always answers the same.
    pub(crate) async fn always(answer: Answer) -> Self {
        Self::answering(move |_| answer.clone()).await
    }

    /// What it was asked, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn settings(&self) -> GcpSettings {
        settings_at(&format!("http://{}", self.address))
    }
}

/// Serves one request of a connection.
pub(crate) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    handler: Arc<Handler>,
    seen: Arc<Mutex<Vec<Asked>>>,
) {
    let mut received = Vec::new();
    let head = loop {
        if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let text = String::from_utf8(received[..head].to_vec()).unwrap();
    let header = |name: &str| {
        text.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
    while received.len() < head + length {
        if stream.read_buf(&mut received).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let line = text.lines().next().unwrap();
    let asked = Asked {
        line: line.trim_end_matches(" HTTP/1.1").to_owned(),
        authorization: header("authorization"),
        body: serde_json::from_slice(&received[head..]).unwrap_or(Json::Null),
    };
    seen.lock().unwrap().push(asked.clone());
    let Answer {
        status,
        headers,
        body,
    } = handler(&asked);
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} -\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Settings with all services at one place, without credentials.
pub(crate) fn settings_at(endpoint: &str) -> GcpSettings {
    let mut settings = GcpSettings::new("my-project");
    settings.identity = Identity::Anonymous;
    settings.endpoints.firestore = endpoint.to_owned();
    settings.endpoints.pubsub = endpoint.to_owned();
    settings.endpoints.secret_manager = endpoint.to_owned();
    settings
}

/// The address of an emulator, from the environment.
pub(crate) fn emulator(variable: &str) -> Result<String, Skipped> {
    std::env::var(variable).map_err(|_| {
        Skipped(format!(
            "{variable} is not set: the address of an emulator, http://127.0.0.1:8080"
        ))
    })
}

/// A project that no other test uses. An emulator has every project.
pub(crate) fn fresh_project() -> String {
    format!("p{}", uuid::Uuid::now_v7().simple())
}
