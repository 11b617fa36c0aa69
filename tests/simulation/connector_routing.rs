//! Connector: its routes, and the next hop of a message.

use twin_contract::Cloud;
use twin_host::function::Request;
use twin_tests::{KEY, OTHER_KEY, READING, connector, envelope, get, post, received, with_header};

/// The request with these headers instead of its own.
fn headers(request: Request, headers: &[(&str, &str)]) -> Request {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()));
    Request {
        headers: headers.collect(),
        ..request
    }
}

#[tokio::test(start_paused = true)]
async fn device_messages_and_l2_go_to_ingestion_and_l3_to_the_writer() {
    for (body, peer) in [
        (READING.to_owned(), "ingestion"),
        (envelope("L2"), "ingestion"),
        (envelope("L3"), "writer"),
    ] {
        for path in ["/telemetry", "/telemetry/", "/"] {
            let stage = connector().build().await;
            for bound in ["ingestion", "writer", "connector", "reader"] {
                stage.peers.answer(bound, |_, _| Ok(received("x")));
            }
            assert_eq!(stage.call(post(path, &body)).await.status, 200);
            let arrivals = stage.peers.arrivals();
            assert_eq!(arrivals.len(), 1);
            assert_eq!(arrivals[0].peer, peer, "{body}");
            assert_eq!(arrivals[0].request.method, "POST");
            assert_eq!(arrivals[0].request.query, "");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_not_bound_is_a_503_and_no_letter() {
    for (bound, body) in [("writer", envelope("L2")), ("ingestion", envelope("L3"))] {
        let stage = connector().build().await;
        stage.peers.answer(bound, |_, _| Ok(received("x")));
        let told = stage.call(post("/telemetry", body)).await;
        assert_eq!((told.status, told.code()), (503, "PEER_UNBOUND"));
        assert_eq!(told.header("retry-after"), Some("1"));
        assert!(stage.letters().await.is_empty());
        assert_eq!(stage.elapsed_ms(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_routes_are_404_and_wrong_methods_405_with_allow() {
    let stage = connector().build().await;
    for path in [
        "/other",
        "/telemetry/more",
        "/dead-letters/a/b",
        "/dead-lettersx",
    ] {
        let told = stage.call(get(path)).await;
        assert_eq!((told.status, told.code()), (404, "NOT_FOUND"), "{path}");
    }
    for (request, allow) in [
        (get("/telemetry"), "POST"),
        (get("/"), "POST"),
        (post("/dead-letters", ""), "GET"),
        (post("/dead-letters/abc", ""), "GET, DELETE"),
        (get("/dead-letters/replay"), "POST"),
    ] {
        let told = stage.call(request).await;
        assert_eq!((told.status, told.code()), (405, "METHOD_NOT_ALLOWED"));
        assert_eq!(told.header("allow"), Some(allow));
    }
}

#[tokio::test(start_paused = true)]
async fn every_route_needs_a_credential_in_the_own_clouds_form_before_its_body_is_looked_at() {
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    let bearer = format!("Bearer {KEY}");
    for request in [
        post("/telemetry", READING),
        post("/telemetry", "no json"),
        post("/telemetry", vec![b' '; 300_000]),
        get("/dead-letters"),
        get("/dead-letters/abc"),
        post("/dead-letters/replay", ""),
    ] {
        for (presented, status, code) in [
            (&[][..], 401, "UNAUTHORIZED"),
            (&[("x-functions-key", KEY)], 401, "UNAUTHORIZED"),
            (&[("authorization", &*bearer)], 401, "UNAUTHORIZED"),
            (&[("x-api-key", "wrong")], 403, "FORBIDDEN"),
        ] {
            let told = stage.call(headers(request.clone(), presented)).await;
            assert_eq!((told.status, told.code()), (status, code), "{presented:?}");
        }
    }
    assert!(stage.peers.arrivals().is_empty());
    let rotated = headers(post("/telemetry", READING), &[("x-api-key", OTHER_KEY)]);
    assert_eq!(stage.call(rotated).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn each_cloud_takes_its_own_form_of_credential() {
    let bearer = format!("Bearer {KEY}");
    for (cloud, name, value) in [
        (Cloud::Aws, "x-api-key", KEY),
        (Cloud::Azure, "x-functions-key", KEY),
        (Cloud::Gcp, "authorization", &*bearer),
    ] {
        let stage = connector().cloud(cloud).build().await;
        stage.peers.answer("ingestion", |_, _| Ok(received("x")));
        let request = headers(post("/telemetry", READING), &[(name, value)]);
        assert_eq!(stage.call(request).await.status, 200, "{cloud}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_keep_the_contract_is_named_and_sent_nowhere() {
    let stage = connector().build().await;
    for peer in ["ingestion", "writer"] {
        stage.peers.answer(peer, |_, _| Ok(received("x")));
    }
    let good = envelope("L2");
    for (body, status, code, named) in [
        (String::new(), 400, "BODY_NOT_JSON", "JSON"),
        ("[]".to_owned(), 400, "BODY_NOT_AN_OBJECT", "object"),
        ("{}".to_owned(), 400, "FIELD_MISSING", "device_id"),
        (
            good.replace("aws", "ibm"),
            400,
            "FIELD_INVALID",
            "source_cloud",
        ),
        (
            good.replace("L2", "L4"),
            400,
            "FIELD_INVALID",
            "target_layer",
        ),
        (
            good.replace("telemetry", "x"),
            400,
            "FIELD_INVALID",
            "message_type",
        ),
        (good.replace("00Z", "00"), 400, "FIELD_INVALID", "timestamp"),
        (
            good.replace("device_id", "x"),
            400,
            "FIELD_MISSING",
            "payload.device_id",
        ),
        (
            good.replace("\"abc-123\"", "7"),
            400,
            "FIELD_INVALID",
            "trace_id",
        ),
        (" ".repeat(256 * 1024 + 1), 413, "BODY_TOO_LARGE", "262144"),
    ] {
        let told = stage.call(post("/telemetry", &body)).await;
        assert_eq!((told.status, told.code()), (status, code), "{told:?}");
        assert!(
            told.message().contains(named),
            "{told:?} should say {named}"
        );
    }
    let twice = with_header(post("/telemetry", READING), "x-api-key", KEY);
    assert_eq!(stage.call(twice).await.code(), "HEADER_REPEATED");
    assert!(stage.peers.arrivals().is_empty());
    assert!(stage.letters().await.is_empty());
}
