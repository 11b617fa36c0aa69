//! Bad input over the wire: each gets its documented answer, and the host goes on answering.
//!
//! Heads that are no HTTP are refused before a request exists: 400 or 431 without a body.

use std::{
    io::{Read, Write},
    net::Shutdown,
};

use twin_contract::Cloud::Aws;

use crate::{
    house::Host,
    raw::{connect, exchange, reply},
};

const KEY: &str = "x-api-key: key-of-aws\r\n";
const LARGE: usize = 300 * 1024;

async fn host() -> Host {
    Host::of(Aws, "connector,ingestion,writer,reader")
        .set("BODY_TIMEOUT_MS", "200")
        .start()
        .await
}

/// A request on a connection of its own.
fn request(line: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let head = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
    [head.as_bytes(), body.as_ref()].concat()
}

/// A post with the key and a body of known length.
fn post(path: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let length = body.as_ref().len();
    let headers = format!("{KEY}content-length: {length}\r\n{headers}");
    request(&format!("POST {path}"), &headers, body)
}

/// A post whose body comes in pieces; `end` is what stands in place of the last one.
fn chunked(size: usize, end: &str) -> Vec<u8> {
    let piece = "x".repeat(1024);
    let body = format!("400\r\n{piece}\r\n").repeat(size / 1024) + end;
    let headers = format!("{KEY}transfer-encoding: chunked\r\n");
    request("POST /telemetry", &headers, body)
}

fn envelope(changes: &[(&str, &str)]) -> String {
    let good = r#"{"source_cloud":"aws","target_layer":"L3","message_type":"event","timestamp":"2026-01-01T00:00:00Z","payload":{"device_id":"d"}}"#;
    changes.iter().fold(good.to_owned(), |text, (from, to)| {
        assert!(text.contains(from));
        text.replace(from, to)
    })
}

#[tokio::test]
async fn each_bad_request_has_its_documented_answer() {
    let host = host().await;
    let write = |from, to| post("/write", "", envelope(&[(from, to)]));
    let deep = format!(
        r#"{{"device_id":"d","x":{}1{}}}"#,
        "[".repeat(500),
        "]".repeat(500)
    );
    for (what, bytes, status, code) in [
        (
            "malformed JSON",
            post("/telemetry", "", r#"{"device_id":"#),
            400,
            "BODY_NOT_JSON",
        ),
        ("no body", post("/telemetry", "", ""), 400, "BODY_NOT_JSON"),
        (
            "a list",
            post("/telemetry", "", "[]"),
            400,
            "BODY_NOT_AN_OBJECT",
        ),
        (
            "invalid UTF-8",
            post("/telemetry", "", b"{\"device_id\":\"\xff\"}"),
            400,
            "BODY_NOT_UTF8",
        ),
        (
            "deep nesting",
            post("/telemetry", "", &deep),
            400,
            "BODY_TOO_DEEP",
        ),
        (
            "no device",
            post("/telemetry", "", "{}"),
            400,
            "FIELD_MISSING",
        ),
        (
            "no payload",
            write(r#","payload":{"device_id":"d"}"#, ""),
            400,
            "FIELD_MISSING",
        ),
        (
            "a wrong type",
            write(r#"{"device_id":"d"}"#, "1"),
            400,
            "FIELD_INVALID",
        ),
        (
            "an unknown cloud",
            write(r#""aws""#, r#""ibm""#),
            400,
            "FIELD_INVALID",
        ),
        ("an unknown layer", write("L3", "L9"), 400, "FIELD_INVALID"),
        ("the other layer", write("L3", "L2"), 400, "FIELD_INVALID"),
        (
            "no timestamp",
            write("2026-01-01", "yesterday"),
            400,
            "FIELD_INVALID",
        ),
        (
            "a field twice",
            write("{\"source", "{\"payload\":1,\"source"),
            400,
            "FIELD_REPEATED",
        ),
        (
            "a long body",
            post("/telemetry", "", "x".repeat(LARGE)),
            413,
            "BODY_TOO_LARGE",
        ),
        (
            "a long body in pieces",
            chunked(LARGE, "0\r\n\r\n"),
            413,
            "BODY_TOO_LARGE",
        ),
        ("an endless body", chunked(1024, ""), 408, "BODY_TIMEOUT"),
        (
            "a broken piece",
            chunked(1024, "zz\r\n"),
            400,
            "BODY_UNREADABLE",
        ),
        (
            "two keys",
            post("/telemetry", KEY, "{}"),
            400,
            "HEADER_REPEATED",
        ),
        (
            "two ids",
            post(
                "/telemetry",
                "idempotency-key: a\r\nIdempotency-Key: b\r\n",
                "{}",
            ),
            400,
            "HEADER_REPEATED",
        ),
        (
            "a bad id",
            post("/telemetry", "idempotency-key: a b\r\n", "{}"),
            400,
            "ID_INVALID",
        ),
        (
            "a bad limit",
            request("GET /read?device_id=d&limit=0", KEY, ""),
            400,
            "PARAMETER_INVALID",
        ),
        (
            "no device asked for",
            request("GET /read", KEY, ""),
            400,
            "PARAMETER_MISSING",
        ),
        (
            "no key, long body",
            request(
                "POST /telemetry",
                &format!("content-length: {LARGE}\r\n"),
                "x".repeat(LARGE),
            ),
            401,
            "UNAUTHORIZED",
        ),
        (
            "an unknown route",
            request("GET /nothing", KEY, ""),
            404,
            "NOT_FOUND",
        ),
        (
            "a path in disguise",
            request("GET /%72ead?device_id=d", KEY, ""),
            404,
            "NOT_FOUND",
        ),
        (
            "a path that climbs",
            request("GET /x/../read?device_id=d", KEY, ""),
            404,
            "NOT_FOUND",
        ),
        (
            "the server itself",
            request("OPTIONS *", KEY, ""),
            404,
            "NOT_FOUND",
        ),
    ] {
        let reply = exchange(host.port, &bytes);
        assert_eq!(
            (reply.status, reply.error_code().as_str()),
            (status, code),
            "{what}"
        );
        still_answers(&host);
    }
}

#[track_caller]
fn still_answers(host: &Host) {
    let good = exchange(host.port, &request("GET /read?device_id=d", KEY, ""));
    assert_eq!(good.status, 200, "{good:?}");
}

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
