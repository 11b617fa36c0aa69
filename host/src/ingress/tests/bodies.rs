//! Bodies that are too large, too slow, too many or not wanted.

use tokio::sync::{Barrier, Notify};
use twin_contract::MAX_BODY;

use super::*;

#[tokio::test]
async fn a_body_over_the_limit_is_shown_to_be_so_and_no_more() {
    let server = Server::echo().await;
    for (size, seen) in [
        (MAX_BODY, MAX_BODY),
        (MAX_BODY + 1, MAX_BODY + 1),
        (MAX_BODY + 2, 0),
        (3_000_000, 0),
    ] {
        let length = format!("{KEY}content-length: {size}\r\n");
        let reply = server
            .request("POST /telemetry", &length, &"x".repeat(size))
            .await;
        assert_status(&reply, 200);
        assert!(
            body(&reply).starts_with(&format!("connector POST /telemetry [] {seen} ")),
            "{size}: {reply}"
        );
        assert!(
            reply.contains(&format!("content-length: {size}\n")),
            "{reply}"
        );
    }
    let chunked = format!("{KEY}transfer-encoding: chunked\r\n");
    let chunks = format!("{:x}\r\n{}\r\n", 200_000, "x".repeat(200_000)).repeat(5) + "0\r\n\r\n";
    let reply = server.request("POST /telemetry", &chunked, &chunks).await;
    assert!(
        body(&reply).starts_with(&format!("connector POST /telemetry [] {} ", MAX_BODY + 1)),
        "{reply}"
    );
}

#[tokio::test]
async fn a_body_that_never_ends_or_breaks_off_is_a_4xx() {
    let server = Server::echo().await;
    for (framing, sent) in [
        ("transfer-encoding: chunked", "3\r\nabc\r\n"),
        ("content-length: 9", "abc"),
    ] {
        let reply = server
            .request("POST /telemetry", &format!("{KEY}{framing}\r\n"), sent)
            .await;
        assert_status(&reply, 408);
        assert!(body(&reply).contains("BODY_TIMEOUT"), "{reply}");
    }
    let chunked = format!("{KEY}transfer-encoding: chunked\r\n");
    let reply = server
        .request("POST /telemetry", &chunked, "no chunk\r\n")
        .await;
    assert_status(&reply, 400);
    assert!(body(&reply).contains("BODY_UNREADABLE"), "{reply}");
}

#[tokio::test]
async fn bodies_take_no_more_memory_than_is_set_aside() {
    let begun = Arc::new(Notify::new());
    let go_on = Arc::new(Notify::new());
    let signals = (Arc::clone(&begun), Arc::clone(&go_on));
    let functions = Scripted::new(&[Writer], move |_, request| {
        let (begun, go_on) = signals.clone();
        async move {
            if !request.body.is_empty() {
                begun.notify_one();
                go_on.notified().await;
            }
            Ok(response(200, "done"))
        }
    });
    let server = Server::start(
        functions,
        serving(HttpSettings {
            body_memory: 100,
            ..settings().http
        }),
    )
    .await;
    let long = format!("{KEY}content-length: 60\r\n");
    let payload = "x".repeat(60);
    let first = server.request("POST /", &long, &payload);
    let others = async {
        begun.notified().await;
        let reply = server.request("POST /", &long, &payload).await;
        assert_status(&reply, 503);
        assert!(
            reply.contains("OVERLOADED") && reply.contains("retry-after: 1\r\n"),
            "{reply}"
        );
        // Bytes count as they arrive, also in chunks; a request without a body takes no memory; an unknown caller's body is
        // not held.
        let chunked = format!("{KEY}transfer-encoding: chunked\r\n");
        assert_status(&server.request("POST /", &chunked, "0\r\n\r\n").await, 200);
        let chunks = format!("1e\r\n{0}\r\n1e\r\n{0}\r\n0\r\n\r\n", "x".repeat(30));
        assert_status(&server.request("POST /", &chunked, &chunks).await, 503);
        assert_status(&server.request("POST /", KEY, "").await, 200);
        assert_status(
            &server
                .request("POST /", "content-length: 60\r\n", &payload)
                .await,
            200,
        );
        go_on.notify_one();
    };
    let (first, ()) = tokio::join!(first, others);
    assert_status(&first, 200);
}

#[tokio::test]
async fn a_body_in_chunks_gives_back_the_memory_it_did_not_need() {
    let body_memory = u32::try_from(MAX_BODY + 1 + 3).unwrap();
    let begun = Arc::new(Notify::new());
    let signals = (Arc::clone(&begun), Arc::new(Barrier::new(2)));
    let functions = Scripted::new(&[Writer], move |_, _| {
        let (begun, both) = signals.clone();
        async move {
            begun.notify_one();
            both.wait().await;
            Ok(response(200, "done"))
        }
    });
    let server = Server::start(
        functions,
        serving(HttpSettings {
            body_memory,
            ..settings().http
        }),
    )
    .await;
    let chunked = format!("{KEY}transfer-encoding: chunked\r\n");
    let send = || server.request("POST /", &chunked, "3\r\nabc\r\n0\r\n\r\n");
    let second = async {
        begun.notified().await;
        send().await
    };
    let (first, second) = tokio::join!(send(), second);
    assert_status(&first, 200);
    assert_status(&second, 200);
}

#[tokio::test]
async fn a_body_that_is_only_promised_takes_no_memory() {
    let server = Server::start(
        Scripted::echo(&[Writer]),
        serving(HttpSettings {
            body_memory: 1000,
            body_timeout: Duration::from_secs(600),
            ..settings().http
        }),
    )
    .await;
    let begin = async |arrived: &str| {
        let mut stream = server.connect().await;
        let head =
            format!("POST / HTTP/1.1\r\nhost: x\r\n{KEY}content-length: 900\r\n\r\n{arrived}");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    };
    let post = async || {
        let headers = format!("{KEY}content-length: 600\r\n");
        server.request("POST /", &headers, &"x".repeat(600)).await
    };
    let mut promised = Vec::new();
    for _ in 0..20 {
        promised.push(begin("x").await);
        assert_status(&post().await, 200);
    }
    // The bytes that have arrived take memory, although the body is not complete.
    let mut stream = begin(&"x".repeat(899)).await;
    while post().await.starts_with("HTTP/1.1 200 ") {}
    stream.write_all(b"x").await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    while post().await.starts_with("HTTP/1.1 503 ") {}
}
