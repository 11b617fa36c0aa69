//! Ingestion: forwards envelopes, and returns the next hop's reply.

use std::time::Duration;

use twin_capabilities::peers::{Reply, SendFailure};
use twin_contract::{Cloud, digest};
use twin_host::function::{FunctionName, Request};
use twin_tests::{
    Stage, bodies::ENVELOPE_L2, conflict, dead_lettered, error, post, received, reply_with,
};

/// A request with an id and the sender's time limit.
fn ingest(id: &str, timeout_ms: &str) -> Request {
    let mut request = post("/ingest", ENVELOPE_L2);
    for (name, value) in [("idempotency-key", id), ("x-twin-timeout-ms", timeout_ms)] {
        request.headers.push((name.to_owned(), value.to_owned()));
    }
    request
}

async fn with_peer(peer: &str, answer: Result<Reply, SendFailure>) -> Stage {
    let stage = Stage::of(FunctionName::Ingestion).build().await;
    stage.peers.answer(peer, move |_, _| answer.clone());
    stage
}

fn try_later() -> Reply {
    let body = br#"{"status":"error","error_code":"BUSY","message":"later"}"#;
    reply_with(503, &[("retry-after", "7")], body)
}

#[tokio::test(start_paused = true)]
async fn the_connectors_reply_is_the_ingestions_unchanged() {
    for answer in [
        received("id-1"),
        dead_lettered("id-1"),
        conflict(),
        error(400),
        error(413),
        error(429),
        error(500),
        try_later(),
    ] {
        let stage = with_peer("connector", Ok(answer.clone())).await;
        let response = stage.try_call(ingest("id-1", "9000")).await.unwrap();
        assert_eq!(response.status, answer.status);
        assert_eq!(response.headers, answer.headers);
        assert_eq!(response.body, answer.body);
        // The connector retries and reports by itself.
        assert_eq!(stage.peers.times_ms(), [0]);
        assert!(stage.events().await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn where_there_is_a_connector_the_writer_is_left_alone() {
    let stage = with_peer("connector", Ok(try_later())).await;
    stage.peers.answer("writer", |_, _| Ok(received("id-1")));
    stage.call(ingest("id-1", "9000")).await;
    let arrivals = stage.peers.arrivals();
    let peers: Vec<_> = arrivals.iter().map(|arrival| &arrival.peer).collect();
    assert_eq!(peers, ["connector"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_connector_the_writer_gets_one_attempt() {
    for (answer, status) in [
        (received("id-1"), 200),
        (dead_lettered("id-1"), 202),
        (conflict(), 409),
        (error(400), 400),
        (error(413), 413),
        (error(429), 429),
        (error(500), 500),
        (try_later(), 503),
    ] {
        let stage = with_peer("writer", Ok(answer.clone())).await;
        let response = stage.try_call(ingest("id-1", "9000")).await.unwrap();
        assert_eq!(response.status, status);
        assert_eq!(response.headers, answer.headers);
        assert_eq!(response.body, answer.body);
        assert_eq!(stage.peers.times_ms(), [0]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_envelope_goes_on_to_l3_from_the_own_cloud_and_nothing_else_is_touched() {
    const CAME: &str = r#"{ "trace_id":"t\u0031", "timestamp":"2026-01-01T00:00:00Z", "x":[ 1.0 , 2e5 ], "source_cloud":"gcp",
        "payload":{ "device_id":"d1","t":1.50, "n":12345678901234567890.10 }, "message_type":"event", "target_layer":"L2"}"#;
    const WENT: &str = r#"{"trace_id":"t\u0031","timestamp":"2026-01-01T00:00:00Z","x":[ 1.0 , 2e5 ],"source_cloud":"CLOUD","payload":{ "device_id":"d1","t":1.50, "n":12345678901234567890.10 },"message_type":"event","target_layer":"L3"}"#;
    for (cloud, header) in [(Cloud::Aws, "x-api-key"), (Cloud::Azure, "x-functions-key")] {
        let stage = Stage::of(FunctionName::Ingestion).cloud(cloud);
        let stage = stage.build().await;
        stage.peers.answer("writer", |_, _| Ok(received("x")));
        let mut request = post("/ingest", CAME);
        header.clone_into(&mut request.headers[0].0);
        assert_eq!(stage.call(request).await.status, 200);
        let arrival = &stage.peers.arrivals()[0];
        assert_eq!(arrival.body(), WENT.replace("CLOUD", cloud.as_str()));
        assert_eq!(arrival.request.method, "POST");
        assert_eq!(arrival.request.query, "");
        assert_eq!(arrival.header("content-type"), Some("application/json"));
    }
}

#[tokio::test(start_paused = true)]
async fn the_id_stays_the_senders_or_is_the_digest_of_what_came() {
    for peer in ["connector", "writer"] {
        let stage = with_peer(peer, Ok(received("x"))).await;
        stage.call(ingest("id-1", "9000")).await;
        stage.call(post("/ingest", ENVELOPE_L2)).await;
        let arrivals = stage.peers.arrivals();
        assert_eq!(arrivals[0].header("idempotency-key"), Some("id-1"));
        let digest = digest(ENVELOPE_L2.as_bytes());
        assert_eq!(arrivals[1].header("idempotency-key"), Some(&*digest));
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_hop_gets_the_time_that_is_left_less_a_reserve() {
    // The sender's time limit, the host's, and the resulting limit for the next hop.
    for (header, host, timeout_ms) in [
        ("", None, 24_500),
        ("nonsense", None, 24_500),
        ("5000", None, 4_000),
        ("60000", None, 24_500),
        ("", Some(8_000), 7_500),
        ("5000", Some(8_000), 4_000),
        ("0", None, 0),
    ] {
        for peer in ["connector", "writer"] {
            let stage = with_peer(peer, Ok(received("x"))).await;
            let mut request = ingest("id-1", header);
            request.time_left_ms = host;
            stage.call(request).await;
            let arrival = &stage.peers.arrivals()[0];
            assert_eq!(arrival.timeout, Duration::from_millis(timeout_ms));
            let told = arrival.header("x-twin-timeout-ms");
            assert_eq!(told, Some(&*timeout_ms.to_string()));
        }
    }
}
