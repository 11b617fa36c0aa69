//! Sending over real sockets and to scripted functions: what arrives, and what is returned.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use twin_capabilities::{
    Failure, Secret,
    peer_auth::{Departing, IdentityToken},
};

use super::*;
use crate::{
    function::{
        CallError,
        FunctionName::{Connector, Ingestion, Reader, Writer},
    },
    scripted::{Scripted, response},
};

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(50);

fn sender(changes: &[(&str, &str)]) -> Arc<PeerSender> {
    sender_with(changes, |sender| sender)
}

fn sender_with(
    changes: &[(&str, &str)],
    adapt: impl FnOnce(PeerSender) -> PeerSender,
) -> Arc<PeerSender> {
    let vars = [
        ("TWIN_NAME", "t"),
        ("TWIN_CLOUD", "azure"),
        ("TWIN_FUNCTIONS", "connector,ingestion,writer"),
        ("INTER_CLOUD_TOKEN", "first,second"),
    ];
    let vars = vars.into_iter().chain(changes.iter().copied());
    let config = Arc::new(Config::from_vars(vars).unwrap());
    Arc::new(adapt(PeerSender::new(config).unwrap()))
}

fn post(headers: &[(&str, &str)]) -> Request {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Request {
        method: "POST".into(),
        query: String::new(),
        headers: headers.collect(),
        body: b"{}".into(),
    }
}

/// A peer that reads the request on each connection, sends these bytes and closes the connection; with `None` it never
/// replies. It records what it reads and the number of connections.
struct Wire {
    url: String,
    seen: Arc<Mutex<String>>,
    connections: Arc<AtomicUsize>,
}

async fn wire(reply: Option<Vec<u8>>) -> Wire {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (seen, connections) = <(Arc<Mutex<String>>, Arc<AtomicUsize>)>::default();
    let wire = Wire {
        url,
        seen: Arc::clone(&seen),
        connections: Arc::clone(&connections),
    };
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::SeqCst);
            *seen.lock().unwrap() = read(&mut stream).await;
            match &reply {
                Some(reply) => drop(stream.write_all(reply).await),
                None => std::future::pending().await,
            }
        }
    });
    wire
}

/// A request whose body, if it has one, is `{}`.
async fn read(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    let whole = |text: &str| {
        text.ends_with("\r\n\r\n{}") || (text.starts_with("GET") && text.ends_with("\r\n\r\n"))
    };
    while !whole(&text) {
        let size = stream.read(&mut buffer).await.unwrap();
        text += std::str::from_utf8(&buffer[..size]).unwrap();
    }
    text
}

/// Sends as a component does: the name is text, and may not be the name of a peer.
async fn send(
    sender: &Arc<PeerSender>,
    caller: FunctionName,
    peer: &str,
    request: Request,
    timeout: Duration,
) -> Result<Reply, SendFailure> {
    let message = Outgoing {
        peer: peer.parse().map_err(|_| SendFailure::UnknownPeer)?,
        request,
        timeout,
    };
    sender.of(caller).send(vec![message]).await.remove(0)
}

async fn send_to_writer(
    url: &str,
    request: Request,
    timeout: Duration,
) -> Result<Reply, SendFailure> {
    let sender = sender(&[("REMOTE_WRITER_URL", url), ("REMOTE_WRITER_CLOUD", "aws")]);
    send(&sender, Connector, "writer", request, timeout).await
}

#[tokio::test]
async fn the_url_is_taken_verbatim_and_the_credential_added() {
    let reply = b"HTTP/1.1 202 x\r\nRetry-After: 1\r\nX-Reply: 1\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok"
        .to_vec();
    let wire = wire(Some(reply)).await;
    let request = Request {
        query: "c=d&e=%20".into(),
        ..post(&[("Idempotency-Key", "1"), ("x-two", "a"), ("x-two", "b")])
    };
    let url = format!("{}/api/write/?code=k", wire.url);
    let reply = send_to_writer(&url, request, LONG).await.unwrap();
    assert_eq!(
        (reply.status, reply.body.as_slice()),
        (202, b"ok".as_slice())
    );
    assert_eq!(
        reply.headers,
        [("retry-after".to_owned(), "1".to_owned())],
        "what a function reads"
    );
    let seen = wire.seen.lock().unwrap().clone();
    assert!(
        seen.starts_with("POST /api/write/?code=k&c=d&e=%20 HTTP/1.1\r\n"),
        "{seen}"
    );
    for line in [
        "x-api-key: first",
        "idempotency-key: 1",
        "x-two: a",
        "x-two: b",
        "content-length: 2",
    ] {
        assert!(seen.contains(&format!("{line}\r\n")), "{line}: {seen}");
    }
}

#[tokio::test]
async fn a_query_stands_alone_where_the_url_has_none() {
    let wire = wire(Some(
        b"HTTP/1.1 200 x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_vec(),
    ))
    .await;
    let sender = sender(&[
        ("REMOTE_READER_URL", &wire.url),
        ("REMOTE_AUTH_TOKEN", "common"),
    ]);
    let request = Request {
        method: "GET".into(),
        query: "device_id=a".into(),
        headers: vec![],
        body: vec![],
    };
    send(&sender, Reader, "reader", request, LONG)
        .await
        .unwrap();
    let seen = wire.seen.lock().unwrap().clone();
    assert!(seen.starts_with("GET /?device_id=a HTTP/1.1\r\n"), "{seen}");
    assert!(
        seen.contains("authorization: Bearer common\r\n") && !seen.contains("content-length"),
        "{seen}"
    );
}

#[tokio::test]
async fn each_way_to_fail_has_its_name_and_nothing_is_tried_twice() {
    let head = "HTTP/1.1 200 x\r\n";
    let long = format!(
        "{head}content-length: 3000000\r\n\r\n{}",
        "x".repeat(3_000_000)
    );
    for (reply, expected) in [
        (Some(String::new()), "unreachable"),
        (Some("nonsense\r\n\r\n".into()), "unreachable"),
        (
            Some(format!("{head}content-length: 9\r\n\r\nabc")),
            "unreachable",
        ),
        (Some(long), "other"),
        (None, "timed out"),
    ] {
        let timeout = if reply.is_none() { SHORT } else { LONG };
        let wire = wire(reply.map(String::into_bytes)).await;
        let url = format!("{}/?code=hidden", wire.url);
        let failure = send_to_writer(&url, post(&[]), timeout).await.unwrap_err();
        let name = match &failure {
            SendFailure::Unreachable(_) => "unreachable",
            SendFailure::TimedOut => "timed out",
            SendFailure::Other(_) => "other",
            _ => "",
        };
        assert_eq!(name, expected, "{failure:?}");
        assert!(!format!("{failure:?}").contains("hidden"), "{failure:?}");
        assert_eq!(wire.connections.load(Ordering::SeqCst), 1);
    }
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}/?code=hidden", listener.local_addr().unwrap())
    };
    let failure = send_to_writer(&closed, post(&[]), LONG).await.unwrap_err();
    assert!(
        matches!(&failure, SendFailure::Unreachable(why) if !why.contains("hidden")),
        "{failure:?}"
    );
}

#[tokio::test]
async fn redirects_are_replies() {
    let reply = "HTTP/1.1 307 x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let wire = wire(Some(reply.into())).await;
    assert_eq!(
        send_to_writer(&wire.url, post(&[]), LONG)
            .await
            .unwrap()
            .status,
        307
    );
}

#[tokio::test]
async fn a_function_here_is_called_as_the_ingress_would() {
    let sender = sender(&[]);
    let functions = Scripted::echo(&[Ingestion]);
    let before = send(&sender, Connector, "ingestion", post(&[]), SHORT).await;
    assert!(
        matches!(before, Err(SendFailure::Unreachable(_))),
        "{before:?}"
    );
    let weak: Weak<Scripted> = Arc::downgrade(&functions);
    sender.mount(weak);
    let request = Request {
        query: "a=b".into(),
        ..post(&[("Idempotency-Key", "1"), ("x-nobody", "asks")])
    };
    let reply = send(&sender, Connector, "ingestion", request, SHORT)
        .await
        .unwrap();
    let expected = "ingestion POST /ingest [a=b] 2 Some(50)\nidempotency-key: 1\ncontent-length: 2\nverdict: connector (Hop)\n";
    assert_eq!(String::from_utf8(reply.body).unwrap(), expected);
}

#[tokio::test]
async fn a_function_here_fails_as_over_http() {
    for (error, status, retry_after) in [
        (CallError::Overloaded(Writer), 503, true),
        (CallError::InstanceLost(Writer), 503, true),
        (
            CallError::DeadlineExceeded {
                function: Writer,
                after: SHORT,
            },
            504,
            false,
        ),
    ] {
        let sender = sender(&[]);
        let functions = Scripted::new(&[Writer], move |_, _| {
            let error = error.clone();
            async move { Err(error) }
        });
        let weak: Weak<Scripted> = Arc::downgrade(&functions);
        sender.mount(weak);
        let reply = send(&sender, Ingestion, "writer", post(&[]), LONG)
            .await
            .unwrap();
        assert_eq!(reply.status, status);
        assert_eq!(
            reply.headers.iter().any(|header| header.0 == "retry-after"),
            retry_after
        );
    }
    let sender = sender(&[]);
    let functions = Scripted::new(&[Writer], |_, _| async {
        std::future::pending::<()>().await;
        Ok(response(200, ""))
    });
    let weak: Weak<Scripted> = Arc::downgrade(&functions);
    sender.mount(weak);
    let reply = send(&sender, Ingestion, "writer", post(&[]), SHORT).await;
    assert_eq!(reply, Err(SendFailure::TimedOut));
}

#[tokio::test]
async fn a_name_that_is_not_bound_is_no_peer() {
    let sender = sender(&[]);
    for peer in [
        "reader",
        "management",
        "connector",
        "error-reporter",
        "Writer",
        "http://127.0.0.1",
        "",
    ] {
        let reply = send(&sender, Connector, peer, post(&[]), SHORT).await;
        assert_eq!(reply, Err(SendFailure::UnknownPeer), "{peer}");
    }
}

#[tokio::test]
async fn a_component_says_nothing_in_the_hosts_name() {
    for header in [
        "Authorization",
        "x-api-key",
        "X-Functions-Key",
        "host",
        "content-length",
        "connection",
        "transfer-encoding",
        "proxy-authorization",
        "cookie",
        "expect",
        "bad name",
        "",
    ] {
        let reply = send_to_writer("http://127.0.0.1:1", post(&[(header, "x")]), SHORT).await;
        assert!(
            matches!(reply, Err(SendFailure::RefusedByPolicy(_))),
            "{header}: {reply:?}"
        );
    }
    for request in [
        post(&[("x-good", "bad\r\nvalue")]),
        Request {
            method: "DELETE".into(),
            ..post(&[])
        },
        Request {
            method: "get".into(),
            ..post(&[])
        },
    ] {
        let reply = send_to_writer("http://127.0.0.1:1", request, SHORT).await;
        assert!(
            matches!(reply, Err(SendFailure::RefusedByPolicy(_))),
            "{reply:?}"
        );
    }
}

#[test]
fn authorities_that_cannot_be_read_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    for file in [empty, folder.path().join("missing.pem")] {
        let settings = crate::config::PeerSettings {
            extra_ca_file: Some(file),
            ..Default::default()
        };
        let error = Client::new(&settings).err().unwrap().to_string();
        assert!(
            error.starts_with("TWIN_EXTRA_CA_FILE ") && !error.contains('\n'),
            "{error}"
        );
    }
}

/// A credential that covers the request, and is renewed whenever it is refused.
#[derive(Default)]
struct Signing(AtomicUsize);

#[async_trait]
impl PeerAuth for Signing {
    async fn headers(
        &self,
        request: Departing<'_>,
    ) -> Result<Vec<(&'static str, Secret)>, Failure> {
        let Departing { method, url, body } = request;
        let (path, generation) = (
            url.rsplit('/').next().unwrap_or_default(),
            self.0.load(Ordering::SeqCst),
        );
        let signed = format!("{method} {path} {} {generation}", body.len());
        Ok(vec![("authorization", Secret::new(signed))])
    }

    async fn refused(&self) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst);
        false
    }
}

#[tokio::test]
async fn a_peers_own_credential_covers_the_request_and_is_renewed_when_it_is_refused() {
    let refusing = b"HTTP/1.1 403 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let there = wire(Some(refusing.to_vec())).await;
    let url = format!("{}/write", there.url);
    let signing = Arc::new(Signing::default());
    let sender = sender_with(&[("REMOTE_WRITER_URL", &url)], |sender| {
        sender.with_auth(Peer::Writer, move || {
            Arc::clone(&signing) as Arc<dyn PeerAuth>
        })
    });
    for generation in 0..2 {
        let reply = send(&sender, Connector, "writer", post(&[]), LONG).await;
        assert_eq!(reply.unwrap().status, 403);
        let seen = there.seen.lock().unwrap().clone();
        let expected = format!("authorization: POST write 2 {generation}\r\n");
        assert!(seen.contains(&expected), "{seen}");
    }
}

/// Secrets that are kept elsewhere; the configuration has their names.
struct Kept(Option<&'static str>);

#[async_trait]
impl Secrets for Kept {
    async fn current(&self, configured: &Configured) -> Result<Secret, Failure> {
        assert_eq!(*configured, Secret::new("name-of-the-key").into());
        let value = self.0.map(Secret::new);
        value.ok_or_else(|| Failure::Unavailable("the vault is away".into()))
    }

    async fn refused(&self, _: &Configured, _: &Secret) -> bool {
        false
    }
}

#[tokio::test]
async fn a_key_is_looked_up_for_each_request_and_nothing_is_sent_without_it() {
    let ok = b"HTTP/1.1 200 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let there = wire(Some(ok.to_vec())).await;
    let variables = [
        ("REMOTE_WRITER_URL", there.url.as_str()),
        ("REMOTE_WRITER_TOKEN", "name-of-the-key"),
        ("REMOTE_WRITER_CLOUD", "aws"),
    ];
    let keeping = |value| {
        sender_with(&variables, |sender| {
            sender.with_secrets(Arc::new(Kept(value)))
        })
    };
    let reply = send(&keeping(None), Connector, "writer", post(&[]), LONG).await;
    let SendFailure::CredentialsUnavailable(cause) = reply.unwrap_err() else {
        panic!("something was sent");
    };
    assert_eq!(cause, "the vault is away");
    assert_eq!(there.connections.load(Ordering::SeqCst), 0);

    let sender = keeping(Some("the-key-itself"));
    let reply = send(&sender, Connector, "writer", post(&[]), LONG).await;
    assert_eq!(reply.unwrap().status, 200);
    let seen = there.seen.lock().unwrap().clone();
    assert!(seen.contains("x-api-key: the-key-itself\r\n"), "{seen}");
}

/// Issues `token-1`, `token-2` and so on, or fails.
struct Issuing {
    fails: bool,
    issued: AtomicUsize,
}

#[async_trait]
impl IdentityTokens for Issuing {
    async fn fetch(&self) -> Result<IdentityToken, Failure> {
        if self.fails {
            return Err(Failure::Misconfigured(
                "STS: sts:GetWebIdentityToken failed: AccessDenied (denied)".into(),
            ));
        }
        let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(IdentityToken {
            token: Secret::new(format!("token-{number}")),
            expires_at: SystemTime::now() + Duration::from_secs(3600),
        })
    }
}

fn issuing(fails: bool) -> Arc<Issuing> {
    Arc::new(Issuing {
        fails,
        issued: AtomicUsize::new(0),
    })
}

#[tokio::test]
async fn an_identity_token_is_a_bearer_whatever_the_receiving_cloud_and_is_shared() {
    let ok = b"HTTP/1.1 200 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    for cloud in ["aws", "azure", "gcp"] {
        let there = wire(Some(ok.to_vec())).await;
        let variables = [
            ("REMOTE_WRITER_URL", there.url.as_str()),
            ("REMOTE_WRITER_CLOUD", cloud),
            ("REMOTE_AUTH_TOKEN", "common"),
        ];
        let tokens = issuing(false);
        let sender = sender_with(&variables, |sender| {
            sender.with_tokens(Peer::Writer, tokens.clone())
        });
        for _ in 0..2 {
            let reply = send(&sender, Connector, "writer", post(&[]), LONG).await;
            assert_eq!(reply.unwrap().status, 200);
            let seen = there.seen.lock().unwrap().clone();
            let bearer = "authorization: Bearer token-1\r\n";
            assert!(seen.contains(bearer), "{cloud}: {seen}");
            assert!(!seen.contains("common"), "no key is sent as well: {seen}");
        }
        assert_eq!(tokens.issued.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_refused_identity_token_is_renewed_once_and_the_request_sent_again() {
    let (mut tokens, listener) = (Vec::new(), TcpListener::bind("127.0.0.1:0").await.unwrap());
    let url = format!("http://{}", listener.local_addr().unwrap());
    let clock = Arc::new(Mutex::new(SystemTime::now()));
    let now = Arc::clone(&clock);
    let sender = sender_with(&[("REMOTE_WRITER_URL", &url)], |sender| {
        let shared = Tokens::with_clock(Issuer(issuing(false)), move || *now.lock().unwrap());
        sender.with_auth(Peer::Writer, move || {
            Arc::new(TokenAuth::new(shared.clone()))
        })
    });
    let receiving = tokio::spawn(async move {
        for status in [200, 401, 200, 403] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let text = read(&mut stream).await;
            let (_, token) = text.split_once("authorization: Bearer ").unwrap();
            tokens.push((status, token[..7].to_owned()));
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n");
            let reply = format!("{head}connection: close\r\n\r\n");
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
        tokens
    });
    for (status, seconds_later) in [(200, 40), (200, 0), (403, 0)] {
        let reply = send(&sender, Connector, "writer", post(&[]), LONG).await;
        assert_eq!(reply.unwrap().status, status);
        // A token that was renewed less than 30 s ago is not renewed again.
        *clock.lock().unwrap() += Duration::from_secs(seconds_later);
    }
    let expected = [
        (200, "token-1"),
        (401, "token-1"),
        (200, "token-2"),
        (403, "token-2"),
    ];
    let expected = expected.map(|(status, token)| (status, token.to_owned()));
    assert_eq!(receiving.await.unwrap(), expected);
}

#[tokio::test]
async fn without_an_identity_token_nothing_is_sent_and_the_services_code_is_reported() {
    let there = wire(None).await;
    let sender = sender_with(&[("REMOTE_WRITER_URL", &there.url)], |sender| {
        sender.with_tokens(Peer::Writer, issuing(true))
    });
    let reply = send(&sender, Connector, "writer", post(&[]), LONG).await;
    let expected = "STS: sts:GetWebIdentityToken failed: AccessDenied (denied)";
    assert_eq!(
        reply,
        Err(SendFailure::CredentialsUnavailable(expected.into()))
    );
    assert_eq!(there.connections.load(Ordering::SeqCst), 0);
}
