//! Bad HTTP over the network. Malformed heads are refused before a request is formed: 400 or 431 without a body.

use std::{
    io::{Read, Write},
    net::Shutdown,
};

use crate::{
    bad_input::{host, still_answers},
    raw::{KEY, connect, exchange, post, reply, request},
};

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let host = host().await;
    for (line, allow) in [
        ("GET /telemetry", "POST"),
        ("PUT /write", "POST"),
        ("DELETE /ingest", "POST"),
        ("POST /read", "GET"),
        ("POST /dead-letters", "GET"),
        ("GET /dead-letters/replay", "POST"),
        ("BREW /healthz", "GET, HEAD"),
    ] {
        let reply = exchange(host.port, &request(line, KEY, ""));
        assert_eq!(reply.error_code(), "METHOD_NOT_ALLOWED", "{line}");
        assert_eq!(
            (reply.status, reply.header("allow")),
            (405, Some(allow)),
            "{line}"
        );
    }
    let head = exchange(host.port, &request("HEAD /read?device_id=d", KEY, ""));
    assert_eq!(
        (head.status, head.header("allow"), head.text.as_str()),
        (405, Some("GET"), "")
    );
    still_answers(&host);
}

#[tokio::test]
async fn a_target_with_scheme_and_host_is_the_same_target() {
    let host = host().await;
    let line = format!("GET {}", host.url("/read?device_id=d"));
    let reply = exchange(host.port, &request(&line, KEY, ""));
    assert_eq!((reply.status, &reply.json()["count"]), (200, &0.into()));
}

#[tokio::test]
async fn a_request_may_have_the_headers_that_gateways_add() {
    let host = host().await;
    for (count, status) in [(120, 200), (240, 200), (300, 431)] {
        let added: String = (0..count)
            .map(|n| format!("x-gateway-{n}: y\r\n"))
            .collect();
        let headers = format!("{added}{KEY}");
        let reply = exchange(host.port, &request("GET /read?device_id=d", &headers, ""));
        assert_eq!(reply.status, status, "{count}");
    }
}

#[tokio::test]
async fn what_is_no_http_gets_an_empty_refusal() {
    let host = host().await;
    let header = format!("{KEY}x-long: {}\r\n", "x".repeat(64 * 1024));
    let lengths = format!("{KEY}content-length: 1\r\ncontent-length: 2\r\n");
    for (what, bytes, status) in [
        (
            "a long header",
            request("GET /read?device_id=d", &header, ""),
            431,
        ),
        (
            "noise",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec(),
            400,
        ),
        ("words", b"hello, is anybody there?\r\n\r\n".to_vec(), 400),
        (
            "another version",
            b"GET / HTTP/7.3\r\nhost: x\r\n\r\n".to_vec(),
            400,
        ),
        (
            "two lengths",
            request("POST /telemetry", &lengths, "{}"),
            400,
        ),
        (
            "a header with a null",
            request("GET /read", "x: \0\r\n", ""),
            400,
        ),
    ] {
        let reply = exchange(host.port, &bytes);
        assert_eq!((reply.status, reply.text.as_str()), (status, ""), "{what}");
        still_answers(&host);
    }
}

#[tokio::test]
async fn whoever_is_slow_or_leaves_holds_nobody_up() {
    let host = host().await;
    let mut whole = request("GET /read?device_id=d", KEY, "");
    let rest = whole.split_off(10);
    let mut slow: Vec<_> = (0..64).map(|_| connect(host.port)).collect();
    for stream in &mut slow {
        stream.write_all(&whole).unwrap();
    }
    for _ in 0..64 {
        let mut stream = connect(host.port);
        stream
            .write_all(&post("/telemetry", "", "x".repeat(99))[..150])
            .unwrap();
        stream.shutdown(Shutdown::Both).unwrap();
    }
    still_answers(&host);
    for mut stream in slow {
        stream.write_all(&rest).unwrap();
        reply(stream).assert_status(200);
    }
}

#[tokio::test]
async fn two_requests_at_once_on_one_connection_are_answered_in_turn() {
    let host = host().await;
    let again = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n".as_bytes();
    let last = request("GET /read?device_id=d", KEY, "");
    let mut stream = connect(host.port);
    stream.write_all(&[again, &last].concat()).unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).unwrap();
    let replies = all.matches("HTTP/1.1 200 OK").count();
    let (health, read) = (all.find(r#"{"status":"ok"}"#), all.find(r#"{"items":[]"#));
    assert!(replies == 2 && health < read && health.is_some(), "{all}");
}
