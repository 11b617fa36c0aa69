//! Connector: the id stays the same from the first hop on.

use twin_contract::{Envelope, MessageId, digest};
use twin_tests::{READING, Stage, connector, envelope, keyed, post, received, with_header};

/// A connector whose peer receives everything.
async fn receiving() -> Stage {
    let stage = connector().build().await;
    for peer in ["ingestion", "writer"] {
        stage.peers.answer(peer, |_, arrival| {
            Ok(received(arrival.header("idempotency-key").unwrap()))
        });
    }
    stage
}

/// The id under which a body is sent.
async fn id_of(stage: &Stage, body: &str) -> String {
    let told = stage.call(post("/telemetry", body)).await;
    assert_eq!(told.status, 200, "{told:?}");
    let sent = stage.peers.arrivals().pop().unwrap();
    let id = sent.header("idempotency-key").unwrap().to_owned();
    assert_eq!(told.body["id"], *id);
    id
}

#[tokio::test(start_paused = true)]
async fn a_given_id_is_kept_for_device_messages_and_envelopes() {
    let stage = receiving().await;
    let longest = "x".repeat(128);
    for given in ["a", "A.b_c:d-9", &longest] {
        for body in [READING, &envelope("L2"), &envelope("L3")] {
            let request = with_header(post("/telemetry", body), "idempotency-key", given);
            let told = stage.call(request).await;
            assert_eq!(told.body["id"], *given);
            let sent = stage.peers.arrivals().pop().unwrap();
            assert_eq!(sent.header("idempotency-key"), Some(given));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_that_is_none_is_a_400_and_nothing_is_sent() {
    let stage = receiving().await;
    let too_long = "x".repeat(129);
    for bad in ["", " ", "a b", "a/b", "a,b", "é", &too_long] {
        let told = stage.call(keyed(bad)).await;
        assert_eq!((told.status, told.code()), (400, "ID_INVALID"), "{bad}");
    }
    let twice = with_header(keyed("a"), "idempotency-key", "a");
    assert_eq!(stage.call(twice).await.code(), "HEADER_REPEATED");
    assert!(stage.peers.arrivals().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_envelope_without_one_is_known_by_its_digest() {
    let stage = receiving().await;
    for body in [envelope("L2"), envelope("L3"), envelope("L2") + " "] {
        assert_eq!(id_of(&stage, &body).await, digest(body.as_bytes()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reading_with_a_time_has_the_same_id_when_its_device_tries_again() {
    let stage = receiving().await;
    let first = id_of(&stage, READING).await;
    twin_tests::seconds(30).await;
    assert_eq!(id_of(&stage, READING).await, first);
    // Another host, another cloud, another dialect: it is still the same reading.
    let elsewhere = receiving().await;
    let dialect = READING.replace("device_id", "iotDeviceId");
    assert_eq!(id_of(&elsewhere, &dialect).await, first);
    // The hash from the host equals the contract's own.
    let sent = elsewhere.peers.arrivals().pop().unwrap();
    let envelope = Envelope::parse(&sent.request.body).unwrap();
    let id = MessageId::of_reading(
        "d1",
        "2026-01-01T00:00:00Z",
        envelope.payload().as_bytes(),
        digest,
    );
    assert_eq!(first, id.as_str());
}

#[tokio::test(start_paused = true)]
async fn different_readings_have_different_ids_at_one_instant_too() {
    let stage = receiving().await;
    let mut ids = vec![id_of(&stage, READING).await];
    for (from, to) in [
        ("1.50", "1.51"),
        ("1.50", "1.5"),
        ("d1", "d2"),
        ("00Z", "01Z"),
    ] {
        ids.push(id_of(&stage, &READING.replace(from, to)).await);
    }
    let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
}

#[tokio::test(start_paused = true)]
async fn a_reading_without_a_time_gets_a_uuid_of_version_7() {
    let stage = receiving().await;
    let mut ids = Vec::new();
    for body in [
        r#"{"device_id":"d1"}"#,
        r#"{"device_id":"d1"}"#,
        r#"{"device_id":"d1","time":null}"#,
        r#"{"device_id":"d1","time":""}"#,
    ] {
        let id = id_of(&stage, body).await;
        // It contains 2026-01-01T00:00:00Z in milliseconds, and the version.
        assert!(id.starts_with("019b76da-a800-7"), "{id}");
        assert!(!ids.contains(&id), "{id} again");
        ids.push(id);
    }
}
