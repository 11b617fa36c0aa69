//! Writer: only stored records are acknowledged, none is stored twice, and none is changed.

use serde_json::json;
use twin_contract::digest;
use twin_host::function::{FunctionName, Request};
use twin_tests::{
    EPOCH_SECONDS, MESSAGES, Stage,
    bodies::{ENVELOPE_L3, with},
    post,
};

async fn writer() -> Stage {
    Stage::of(FunctionName::Writer).build().await
}

fn write(id: &str, body: &str) -> Request {
    let mut request = post("/write", body);
    let header = ("idempotency-key".to_owned(), id.to_owned());
    request.headers.push(header);
    request
}

#[tokio::test(start_paused = true)]
async fn what_is_received_is_stored_byte_by_byte() {
    // Spaces, digits that no float can represent, escapes, unknown fields: all of them are kept.
    let body = "{ \"source_cloud\":\"google\", \"target_layer\":\"L3\",\"message_type\":\"telemetry\",\n\
        \"timestamp\":\"2026-01-01T00:00:00.5Z\",\"payload\":{\"device_id\":\"d\\u0031\",\"a\":1.50,\
        \"b\":123456789012345678901234567890.10, \"c\":\"\\u00e4\\/\",\"d\":-0.0e-400},\"x-unknown\":{ \"y\":[ ] } }";
    let stage = writer().await;
    let told = stage.call(write("id-1", body)).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(told.body, json!({"status": "received", "id": "id-1"}));
    let records = stage.records(MESSAGES, "d1").await;
    let epoch = i64::try_from(EPOCH_SECONDS).unwrap() * 1_000_000;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].body, body.as_bytes());
    assert_eq!(records[0].id, "id-1");
    assert_eq!(records[0].time, epoch + 500_000);
    assert_eq!(records[0].stored_at, epoch);
}

#[tokio::test(start_paused = true)]
async fn events_and_commands_are_stored_as_telemetry_is() {
    let stage = writer().await;
    for (count, kind) in ["telemetry", "event", "command"].into_iter().enumerate() {
        let body = with(ENVELOPE_L3, "message_type", &format!("\"{kind}\""));
        assert_eq!(stage.call(write(kind, &body)).await.status, 200);
        let records = stage.records(MESSAGES, "d1").await;
        assert_eq!(records.len(), count + 1);
        assert!(records.iter().any(|record| record.body == body.as_bytes()));
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_id_of_the_sender_the_envelope_gets_the_digest_of_its_bytes() {
    let stage = writer().await;
    for _ in 0..2 {
        let told = stage.call(post("/write", ENVELOPE_L3)).await;
        assert_eq!(told.status, 200);
        assert_eq!(told.body["id"], digest(ENVELOPE_L3.as_bytes()));
    }
    assert_eq!(stage.records(MESSAGES, "d1").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_same_id_with_the_same_payload_is_answered_the_same_and_stored_once() {
    let stage = writer().await;
    let first = stage.call(write("id-1", ENVELOPE_L3)).await;
    // Another envelope with the same payload: the record stays as it was first stored.
    for again in [
        ENVELOPE_L3.to_owned(),
        ENVELOPE_L3.replace("azure", "gcp"),
        ENVELOPE_L3.replace("abc-123", "xyz"),
    ] {
        assert_eq!(stage.call(write("id-1", &again)).await, first);
    }
    let records = stage.records(MESSAGES, "d1").await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].body, ENVELOPE_L3.as_bytes());
}

#[tokio::test(start_paused = true)]
async fn the_same_id_with_another_payload_is_a_409() {
    let stage = writer().await;
    stage.call(write("id-1", ENVELOPE_L3)).await;
    // The payload is compared by its bytes: 1.5 is not 1.50.
    for other in ["\"t\":2", "\"t\":1.5", "\"t\": 1.50"] {
        let body = ENVELOPE_L3.replace("\"t\":1.50", other);
        let told = stage.call(write("id-1", &body)).await;
        assert_eq!((told.status, told.code()), (409, "ID_REUSED"), "{other}");
    }
    let records = stage.records(MESSAGES, "d1").await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].body, ENVELOPE_L3.as_bytes());
    assert!(stage.events().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_readings_of_one_device_at_one_instant_are_both_kept() {
    let stage = writer().await;
    let other = ENVELOPE_L3.replace("\"t\":1.50", "\"t\":2");
    for body in [ENVELOPE_L3, &other] {
        assert_eq!(stage.call(post("/write", body)).await.status, 200);
    }
    let records = stage.records(MESSAGES, "d1").await;
    assert_eq!(records.len(), 2);
    assert_eq!(records[0].time, records[1].time);
}

#[tokio::test(start_paused = true)]
async fn an_id_belongs_to_its_device() {
    let stage = writer().await;
    for device in ["d1", "d2"] {
        let body = with(ENVELOPE_L3, "payload.device_id", &format!("\"{device}\""));
        assert_eq!(stage.call(write("id-1", &body)).await.status, 200);
        assert_eq!(stage.records(MESSAGES, device).await.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn many_calls_with_one_id_at_once_store_one_record() {
    let stage = writer().await;
    let calls = (0..50).map(|_| stage.call(write("id-1", ENVELOPE_L3)));
    let all = futures_util::future::join_all(calls).await;
    assert!(all.iter().all(|told| told.status == 200));
    assert_eq!(stage.records(MESSAGES, "d1").await.len(), 1);
}
