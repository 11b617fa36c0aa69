//! Bad input over the network: each gets its documented answer, and the host continues to answer.

use twin_contract::Cloud::Aws;

use crate::{
    house::Host,
    raw::{KEY, exchange, post, request},
};

const LARGE: usize = 300 * 1024;

/// A host with all routes.
pub(crate) async fn host() -> Host {
    let host = Host::of(Aws, "connector,ingestion,writer,reader");
    host.start().await
}

/// A post whose body is sent in chunks; `end` replaces the last one.
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

#[tokio::test]
async fn a_body_that_never_ends_is_waited_for_only_so_long() {
    let host = Host::of(Aws, "connector,ingestion,writer,reader");
    let host = host.set("BODY_TIMEOUT_MS", "100").start().await;
    let announced = format!("{KEY}content-length: 10\r\n");
    for bytes in [
        chunked(1024, ""),
        request("POST /telemetry", &announced, "{"),
    ] {
        let reply = exchange(host.port, &bytes);
        assert_eq!(
            (reply.status, reply.error_code().as_str()),
            (408, "BODY_TIMEOUT")
        );
        still_answers(&host);
    }
}

/// Checks that a valid request succeeds.
#[track_caller]
pub(crate) fn still_answers(host: &Host) {
    let good = exchange(host.port, &request("GET /read?device_id=d", KEY, ""));
    assert_eq!(good.status, 200, "{good:?}");
}
