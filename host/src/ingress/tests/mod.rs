//! The ingress over a real socket, with scripted functions behind it.

mod bodies;
mod coding;
mod connections;
mod draining;
mod events;
mod heads;
mod rotation;
mod tokens;

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};

use std::sync::Arc;

use async_trait::async_trait;
use twin_contract::Cloud;

use super::{events::Settle, *};
use crate::{
    credentials::Credentials,
    dispatch::{Dispatch, DispatchSettings, Readiness},
    function::{
        CallError,
        FunctionName::{Connector, Reader, Writer},
        Functions, Response,
    },
    scripted::{Scripted, response},
    secrets::Secret,
    telemetry::metrics,
};

const KEY: &str = "x-api-key: key\r\n";
const SHORT: Duration = Duration::from_millis(50);

struct Store(bool);

#[async_trait]
impl Readiness for Store {
    async fn ready(&self) -> Result<(), String> {
        self.0
            .then_some(())
            .ok_or_else(|| "the store is read-only".into())
    }
}

struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// The settings of a server.
#[derive(Clone)]
struct Settings {
    dispatch: DispatchSettings,
    http: HttpSettings,
    events: Option<Arc<dyn Settle>>,
}

fn settings() -> Settings {
    Settings {
        dispatch: DispatchSettings {
            cloud: Cloud::Aws,
            route_prefix: "/api".into(),
            verifier: Arc::new(Credentials::new(Cloud::Aws, &[Secret::new("key")])),
            readiness: Arc::new(Store(true)),
            metrics: Arc::new(metrics::Process::recorded()),
            function_deadline: Duration::from_secs(25),
            tracer: None,
        },
        http: HttpSettings {
            body_timeout: SHORT,
            drain_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            max_connections: 1000,
            body_memory: 256 * 1024 * 1024,
            platform: None,
        },
        events: None,
    }
}

fn dispatching(dispatch: DispatchSettings) -> Settings {
    Settings {
        dispatch,
        ..settings()
    }
}

fn serving(http: HttpSettings) -> Settings {
    Settings { http, ..settings() }
}

impl Server {
    async fn start(functions: Arc<dyn Functions>, settings: Settings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let dispatch = Dispatch::new(functions, settings.dispatch, stopped.clone());
        let task = tokio::spawn(http::serve(
            listener,
            Arc::new(dispatch),
            settings.events,
            settings.http,
            stopped,
        ));
        Self {
            address,
            stop,
            task,
        }
    }

    async fn echo() -> Self {
        Self::start(Scripted::echo(&[Connector, Reader]), settings()).await
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads until the connection ends.
    async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        let _ = stream.write_all(bytes.as_ref()).await;
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply).await;
        String::from_utf8(reply).unwrap()
    }

    /// One request with a body on a connection of its own.
    async fn request(&self, line: &str, headers: &str, body: &str) -> String {
        let head =
            format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n{body}");
        self.exchange(head).await
    }
}

#[track_caller]
fn assert_status(reply: &str, status: u16) {
    assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
}

/// The part after the head.
fn body(reply: &str) -> &str {
    reply.split_once("\r\n\r\n").unwrap().1
}

#[tokio::test]
async fn a_function_gets_the_message_and_not_the_connection() {
    let server = Server::echo().await;
    let headers = format!(
        "{KEY}Idempotency-Key: \u{e4}b\r\nidempotency-key: 2\r\nTE: trailers\r\nKeep-Alive: 5\r\n\
         User-Agent: nobody asks\r\nx-request-id: r\r\ncontent-length: 3\r\n"
    );
    let reply = server
        .request("POST /api/telemetry?a=b&c=%20", &headers, "abc")
        .await;
    assert_status(&reply, 200);
    assert!(reply.contains("content-length: "), "{reply}");
    let expected = "connector POST /telemetry [a=b&c=%20] 3 Some(25000)\n\
                    idempotency-key: \u{e4}b\nidempotency-key: 2\nx-request-id: r\n\
                    content-length: 3\nverdict: key-1 (Any)\n";
    assert_eq!(body(&reply), expected);
}

#[tokio::test]
async fn a_function_gets_the_verdict_and_not_the_credential() {
    let server = Server::echo().await;
    let own = "x-api-key: key\r\n";
    for (headers, verdict) in [
        ("", "Missing"),
        (own, "key-1 (Any)"),
        ("X-API-Key: key\r\n", "key-1 (Any)"),
        ("x-api-key: the key of another\r\n", "Wrong"),
        // The right key in the forms of other clouds, alone and beside this cloud's form.
        ("x-functions-key: key\r\n", "Missing"),
        ("authorization: Bearer key\r\n", "Missing"),
        (
            &format!("{own}x-functions-key: key\r\nauthorization: Bearer key\r\n"),
            "key-1 (Any)",
        ),
        (&format!("{own}x-api-key: key\r\n"), "repeated x-api-key"),
        (
            &format!("{own}authorization: Bearer key\r\nauthorization: Bearer key\r\n"),
            "repeated authorization",
        ),
        // A scheme that no cloud's form has.
        (
            "authorization: AWS4-HMAC-SHA256 key\r\nx-amz-date: now\r\n",
            "Missing",
        ),
    ] {
        for target in ["GET /read", "POST /telemetry"] {
            let reply = server
                .request(target, &format!("{headers}x-request-id: r\r\n"), "")
                .await;
            let expected = format!("x-request-id: r\nverdict: {verdict}\n");
            let (_, seen) = body(&reply).split_once('\n').unwrap();
            assert_eq!(seen, expected, "{target} {headers}");
        }
    }
}

#[tokio::test]
async fn the_hosts_own_paths_answer_in_json() {
    let server = Server::echo().await;
    for (line, headers, status, expected) in [
        ("GET /healthz", "", 200, r#"{"status":"ok"}"#),
        ("GET /api/readyz", "", 200, r#"{"status":"ready"}"#),
        ("HEAD /healthz", "", 200, ""),
        (
            "POST /healthz",
            "",
            405,
            r#"{"status":"error","error_code":"METHOD_NOT_ALLOWED","message":"only GET and HEAD are answered here"}"#,
        ),
        (
            "GET /write",
            KEY,
            404,
            r#"{"status":"error","error_code":"NOT_FOUND","message":"nothing is mounted at this path"}"#,
        ),
        (
            "GET /metrics",
            "",
            401,
            r#"{"status":"error","error_code":"UNAUTHORIZED","message":"a credential is required"}"#,
        ),
        (
            "GET /metrics",
            "x-api-key: no\r\n",
            403,
            r#"{"status":"error","error_code":"FORBIDDEN","message":"the credential is not valid"}"#,
        ),
    ] {
        let reply = server.request(line, headers, "").await;
        assert_status(&reply, status);
        assert_eq!(body(&reply), expected, "{line}");
        assert!(
            reply.contains("content-type: application/json\r\n"),
            "{reply}"
        );
    }
    let reply = server.request("GET /metrics", KEY, "").await;
    assert_status(&reply, 200);
    assert!(
        reply.contains("text/plain; version=0.0.4") && reply.contains("twin_requests_total{"),
        "{reply}"
    );

    let unready = dispatching(DispatchSettings {
        readiness: Arc::new(Store(false)),
        ..settings().dispatch
    });
    let server = Server::start(Scripted::echo(&[Reader]), unready).await;
    let reply = server.request("GET /readyz", "", "").await;
    assert_status(&reply, 503);
    assert!(
        reply.contains("NOT_READY") && reply.contains("the store is read-only"),
        "{reply}"
    );
}

#[tokio::test]
async fn a_function_that_gives_no_response_is_a_5xx() {
    let after = SHORT;
    for (error, status, code) in [
        (CallError::Overloaded(Writer), 503, "OVERLOADED"),
        (CallError::InstanceLost(Writer), 503, "INSTANCE_LOST"),
        (
            CallError::DeadlineExceeded {
                function: Writer,
                after,
            },
            504,
            "DEADLINE_EXCEEDED",
        ),
        (CallError::NotMounted(Writer), 404, "NOT_FOUND"),
    ] {
        let functions = Scripted::new(&[Writer], move |_, _| {
            let error = error.clone();
            async move { Err(error) }
        });
        let server = Server::start(functions, settings()).await;
        let reply = server.request("POST /", KEY, "").await;
        assert_status(&reply, status);
        assert!(
            body(&reply).starts_with(&format!(r#"{{"status":"error","error_code":"{code}","#)),
            "{reply}"
        );
        assert_eq!(
            reply.contains("retry-after: 1\r\n"),
            status == 503,
            "{reply}"
        );
    }
}

#[tokio::test]
async fn a_panic_or_a_bad_response_is_a_5xx_too() {
    for (status, headers, expected) in [
        (99, vec![], 500),
        (101, vec![], 500),
        (600, vec![], 500),
        (
            200,
            vec![
                ("bad name", "x"),
                ("x-good", "1"),
                ("content-length", "9"),
                ("connection", "upgrade"),
            ],
            200,
        ),
    ] {
        let headers: Vec<_> = headers
            .into_iter()
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect();
        let functions = Scripted::new(&[Writer], move |_, _| {
            let headers = headers.clone();
            async move {
                Ok(Response {
                    headers,
                    ..response(status, "abc")
                })
            }
        });
        let server = Server::start(functions, settings()).await;
        let reply = server.request("POST /", KEY, "").await;
        assert_status(&reply, expected);
        assert_eq!(reply.contains("x-good: 1"), status == 200);
        assert_eq!(
            reply.contains("content-length: 3\r\n"),
            status == 200,
            "{reply}"
        );
    }
    let functions = Scripted::new(&[Writer], |_, _| async { panic!("a bug of the host") });
    let server = Server::start(functions, settings()).await;
    assert_status(&server.request("POST /", KEY, "").await, 503);
}

#[tokio::test]
async fn requests_on_one_connection_are_answered_in_order() {
    let server = Server::echo().await;
    let request =
        |n: u8, more: &str| format!("GET /read?n={n} HTTP/1.1\r\nhost: x\r\n{KEY}{more}\r\n");
    let replies = server
        .exchange(request(1, "") + &request(2, "") + &request(3, "connection: close\r\n"))
        .await;
    let order: Vec<_> = replies
        .match_indices("reader GET /read [n=")
        .map(|(at, _)| at)
        .collect();
    assert_eq!(order.len(), 3, "{replies}");
    assert!(
        replies.find("[n=1]") < replies.find("[n=2]")
            && replies.find("[n=2]") < replies.find("[n=3]")
    );
}

#[tokio::test]
async fn odd_requests_get_a_status_and_do_no_harm() {
    let server = Server::echo().await;
    for (bytes, status) in [
        (
            "CONNECT example:443 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            404,
        ),
        (
            "OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            404,
        ),
        (
            "GET http://elsewhere/read?x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            200,
        ),
        (
            "GET //read HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            404,
        ),
        (
            "GET /%2e%2e/read HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            404,
        ),
        (
            "GET /read?%zz=\u{e4} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            200,
        ),
        (
            "BREW /read HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            200,
        ),
        (
            "HEAD /read HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
            200,
        ),
        (
            "GET /read HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n",
            200,
        ),
        (
            "GET /read HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            400,
        ),
        ("nonsense\r\n\r\n", 400),
    ] {
        let reply = server.exchange(bytes).await;
        assert!(
            reply.starts_with(&format!("HTTP/1.1 {status} ")),
            "{bytes:?}: {reply:?}"
        );
    }
    // HTTP/2 is not supported; hyper closes the connection without a reply.
    assert_eq!(
        server.exchange("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await,
        ""
    );
    let huge = format!("GET /read HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(40_000));
    assert_status(&server.exchange(huge).await, 431);
    assert_status(&server.request("GET /read", KEY, "").await, 200);
}
