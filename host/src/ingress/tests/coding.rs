//! Compressed bodies.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use twin_contract::MAX_BODY;

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Posts bytes with these headers.
async fn post(server: &Server, headers: &str, body: &[u8]) -> String {
    let head = format!(
        "POST /telemetry HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
        body.len()
    );
    server.exchange([head.as_bytes(), body].concat()).await
}

#[tokio::test]
async fn gzip_is_unpacked_before_a_function_sees_it() {
    let server = Server::echo().await;
    let plain = "{\"device_id\":\"d\"}".repeat(100);
    for coding in ["gzip", "x-gzip", "GZip"] {
        let headers = format!("{KEY}content-encoding: {coding}\r\n");
        let reply = post(&server, &headers, &gzip(plain.as_bytes())).await;
        assert_status(&reply, 200);
        let expected = format!("connector POST /telemetry [] {} ", plain.len());
        assert!(body(&reply).starts_with(&expected), "{reply}");
        assert!(!body(&reply).contains("content-"), "{reply}");
    }
    let headers = format!("{KEY}content-encoding: identity\r\n");
    let reply = post(&server, &headers, plain.as_bytes()).await;
    assert!(
        body(&reply).contains(&format!(" {} ", plain.len())),
        "{reply}"
    );
    // In chunks, too.
    let packed = gzip(plain.as_bytes());
    let head = format!(
        "POST /telemetry HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{KEY}content-encoding: gzip\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\r\n",
        packed.len()
    );
    let chunked = [head.as_bytes(), &packed, b"\r\n0\r\n\r\n"].concat();
    let reply = server.exchange(chunked).await;
    assert!(
        body(&reply).contains(&format!(" {} ", plain.len())),
        "{reply}"
    );
}

#[tokio::test]
async fn what_unpacks_to_too_much_is_shown_to_be_so_and_no_more() {
    let server = Server::echo().await;
    let headers = format!("{KEY}content-encoding: gzip\r\n");
    let reply = post(&server, &headers, &gzip(&vec![b' '; 100 * MAX_BODY])).await;
    let expected = format!("connector POST /telemetry [] {} ", MAX_BODY + 1);
    assert!(body(&reply).starts_with(&expected), "{reply}");
    // Too large even when compressed: the function sees its length.
    let reply = post(&server, &headers, &vec![b'x'; MAX_BODY + 2]).await;
    assert!(
        body(&reply).contains(&format!("content-length: {}\n", MAX_BODY + 2)),
        "{reply}"
    );
}

#[tokio::test]
async fn what_is_no_gzip_is_a_400_and_other_codings_are_the_functions_to_refuse() {
    let server = Server::echo().await;
    let headers = format!("{KEY}content-encoding: gzip\r\n");
    let reply = post(&server, &headers, b"{\"device_id\":\"d\"}").await;
    assert_status(&reply, 400);
    assert!(body(&reply).contains("BODY_NOT_GZIP"), "{reply}");
    for coding in ["br", "gzip, br", "gzip, gzip"] {
        let headers = format!("{KEY}content-encoding: {coding}\r\n");
        let reply = post(&server, &headers, b"abc").await;
        assert!(
            body(&reply).contains(&format!("content-encoding: {coding}\n")),
            "{reply}"
        );
        assert!(body(&reply).contains(" 3 "), "{reply}");
    }
}

#[tokio::test]
async fn a_strangers_body_is_not_unpacked() {
    let server = Server::echo().await;
    for key in ["", "x-api-key: wrong\r\n"] {
        let headers = format!("{key}content-encoding: gzip\r\n");
        // Decompressing it would give a 400.
        let reply = post(&server, &headers, b"no gzip").await;
        assert_status(&reply, 200);
        assert!(
            body(&reply).starts_with("connector POST /telemetry [] 0 "),
            "{reply}"
        );
    }
}

#[tokio::test]
async fn replies_to_posts_say_what_bodies_may_be_packed_with() {
    let server = Server::echo().await;
    for (line, announced) in [
        ("POST /telemetry", true),
        ("GET /read", false),
        ("POST /healthz", false),
        ("POST /nowhere", false),
    ] {
        let reply = server.request(line, KEY, "").await;
        assert_eq!(
            reply.contains("accept-encoding: gzip\r\n"),
            announced,
            "{reply}"
        );
    }
}
