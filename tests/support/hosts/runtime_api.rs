//! The runtime API of Lambda (version 2018-06-01), as the program of a custom runtime sees it: it hands out one invocation after the
//! other, and takes their results.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::process::PATIENCE;

const VERSION: &str = "/2018-06-01/runtime/invocation";

/// What a function answers to an invocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The result.
    Response(Value),
    /// A failure, which Lambda counts as one: its `errorType` and `errorMessage`.
    Error(Value),
}

struct Invocation {
    payload: String,
    time: Duration,
    outcome: oneshot::Sender<Outcome>,
}

/// The API, on a port of its own until the test ends.
pub struct RuntimeApi {
    address: SocketAddr,
    waiting: mpsc::UnboundedSender<Invocation>,
    shared: Arc<Shared>,
}

struct Shared {
    /// What precedes the API's own paths.
    base: &'static str,
    next: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    was_asked: AtomicBool,
    /// By request id.
    under_way: Mutex<HashMap<String, oneshot::Sender<Outcome>>>,
}

impl RuntimeApi {
    /// `base` is the path below which the API is, such as `/.rt`, or empty.
    pub async fn start(base: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (waiting, next) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            base,
            next: tokio::sync::Mutex::new(next),
            was_asked: AtomicBool::new(false),
            under_way: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                let service = service_fn(move |request| answer(Arc::clone(&shared), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self {
            address,
            waiting,
            shared,
        }
    }

    /// The value of `AWS_LAMBDA_RUNTIME_API`: with a path it needs a scheme, as `cargo lambda` sets it. Lambda sets host and port.
    pub fn variable(&self) -> String {
        match self.shared.base {
            "" => self.address.to_string(),
            base => format!("http://{}{base}", self.address),
        }
    }

    /// Whether a function has asked for what it is to do.
    pub fn was_asked(&self) -> bool {
        self.shared.was_asked.load(Ordering::Relaxed)
    }

    /// Invokes the function, which has this much time from when it takes the invocation.
    pub async fn invoke(&self, payload: &Value, time: Duration) -> Outcome {
        let (outcome, answered) = oneshot::channel();
        let invocation = Invocation {
            payload: payload.to_string(),
            time,
            outcome,
        };
        assert!(self.waiting.send(invocation).is_ok(), "the API has ended");
        let answered = timeout(PATIENCE, answered).await;
        answered
            .unwrap_or_else(|_| panic!("no result for {payload}"))
            .expect("the API keeps what is under way")
    }
}

type Reply = Result<Response<Full<Bytes>>, Infallible>;

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let path = path.strip_prefix(shared.base).unwrap_or_default();
    let path = path.strip_prefix(VERSION).unwrap_or_default();
    let parts: Vec<_> = path.split('/').skip(1).collect();
    Ok(match (head.method, &parts[..]) {
        (Method::GET, ["next"]) => shared.next().await,
        (Method::POST, [id, what @ ("response" | "error")]) => {
            let bytes = body.collect().await.unwrap().to_bytes();
            let result = serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("{bytes:?}"));
            shared.end(
                id,
                match *what {
                    "error" => Outcome::Error(result),
                    _ => Outcome::Response(result),
                },
            )
        }
        _ => reply(404),
    })
}

impl Shared {
    /// Waits for the next invocation.
    async fn next(&self) -> Response<Full<Bytes>> {
        self.was_asked.store(true, Ordering::Relaxed);
        let Some(invocation) = self.next.lock().await.recv().await else {
            return reply(500);
        };
        let id = uuid::Uuid::now_v7().to_string();
        let ends = SystemTime::now() + invocation.time;
        let ends = ends.duration_since(UNIX_EPOCH).unwrap().as_millis();
        let response = Response::builder()
            .header("lambda-runtime-aws-request-id", &id)
            .header("lambda-runtime-deadline-ms", ends.to_string())
            .header(
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:us-east-1:123456789012:function:twin",
            )
            .body(invocation.payload.into())
            .unwrap();
        let mut under_way = self.under_way.lock().unwrap();
        under_way.insert(id, invocation.outcome);
        response
    }

    /// Takes the result of an invocation, once.
    fn end(&self, id: &str, outcome: Outcome) -> Response<Full<Bytes>> {
        let waiting = self.under_way.lock().unwrap().remove(id);
        match waiting.map(|waiting| waiting.send(outcome)) {
            Some(Ok(())) => reply(202),
            _ => reply(400),
        }
    }
}

fn reply(status: u16) -> Response<Full<Bytes>> {
    let response = Response::builder().status(status);
    response.body(Full::default()).unwrap()
}
