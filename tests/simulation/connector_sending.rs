//! Connector: the bytes, headers and trace that it sends.

use twin_tests::{READING, TRACEPARENT, connector, error, post, received, reply, with_header};

#[tokio::test(start_paused = true)]
async fn exactly_three_headers_are_sent() {
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    stage.call(post("/telemetry", READING)).await;
    let sent = &stage.peers.arrivals()[0].request;
    let names: Vec<_> = sent.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["content-type", "idempotency-key", "x-twin-timeout-ms"]
    );
    assert_eq!(
        stage.peers.arrivals()[0].header("content-type"),
        Some("application/json")
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_traceparent_there_is_a_new_trace() {
    for header in [
        None,
        Some("nonsense"),
        Some("00-00000000000000000000000000000000-1-01"),
    ] {
        let stage = connector().build().await;
        stage.peers.answer("ingestion", |_, _| Ok(received("x")));
        let mut traces = Vec::new();
        for reading in [READING.to_owned(), READING.replace("d1", "d2")] {
            let mut request = post("/telemetry", reading);
            if let Some(value) = header {
                request = with_header(request, "traceparent", value);
            }
            stage.call(request).await;
            let sent = stage.peers.arrivals().pop().unwrap().body();
            let trace = sent.split(r#""trace_id":""#).nth(1).unwrap();
            let trace = trace.trim_end_matches(r#""}"#).to_owned();
            assert_eq!(trace.len(), 32, "{sent}");
            assert!(
                trace.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "{trace}"
            );
            traces.push(trace);
        }
        assert_ne!(traces[0], traces[1]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_bytes_and_id_go_through_retry_letter_and_replay() {
    for reading in [READING, r#"{"deviceId":"d1","n":1.50}"#] {
        let stage = connector().build().await;
        stage.peers.answer("ingestion", |nth, _| {
            Ok(if nth == 0 {
                error(503)
            } else {
                reply(400, b"")
            })
        });
        assert_eq!(stage.call(post("/telemetry", reading)).await.status, 202);
        let letter = stage.letter().await;
        stage.peers.answer("ingestion", |_, _| Ok(received("x")));
        twin_tests::seconds(3_600).await;
        assert_eq!(stage.replay("").await["replayed"], 1);
        let arrivals = stage.peers.arrivals();
        assert_eq!(arrivals.len(), 3);
        for arrival in arrivals {
            assert_eq!(arrival.request.body, letter.envelope);
            assert_eq!(arrival.header("idempotency-key"), Some(&*letter.id));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_envelope_is_passed_on_byte_for_byte() {
    let stage = connector().build().await;
    stage.peers.answer("writer", |_, _| Ok(received("x")));
    let body = r#" {"payload" : {"device_id":"d1","n":1.50e+02},"extra":{"x":[ ]},"message_type":"event","target_layer":"L3","source_cloud":"google","timestamp":"2026-01-01T00:00:00.1Z"} "#;
    let request = with_header(post("/telemetry", body), "traceparent", TRACEPARENT);
    assert_eq!(stage.call(request).await.status, 200);
    assert_eq!(stage.peers.arrivals()[0].body(), body);
}
