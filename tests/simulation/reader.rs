//! Reader: queries of its own store.

use std::time::Duration;

use serde_json::{Value, json};
use twin_host::function::FunctionName;
use twin_tests::{
    Stage, Told,
    bodies::{ENVELOPE_L3, with},
    get, post,
};

pub(crate) async fn reader() -> Stage {
    Stage::of(FunctionName::Reader).build().await
}

/// The ids on a page, in order.
pub(crate) fn ids(told: &Told) -> Vec<&str> {
    let items = told.body["items"].as_array().expect("a page");
    assert_eq!(told.body["count"], items.len());
    let ids = items.iter().map(|item| item["id"].as_str().unwrap());
    ids.collect()
}

/// Five records: `b` and `c` have the same time, and `e` was stored first.
async fn five() -> Stage {
    let stage = reader().await;
    for (seconds, id) in [(30, "e"), (0, "a"), (10, "c"), (10, "b"), (20, "d")] {
        stage.put(seconds, id, "{}").await;
    }
    stage
}

#[tokio::test(start_paused = true)]
async fn an_item_is_the_envelope_with_its_id_and_when_it_was_stored() {
    let writer = Stage::of(FunctionName::Writer).build().await;
    let reader = Stage::of(FunctionName::Reader).beside(&writer);
    let reader = reader.build().await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    // An item has one identity, whatever a sender's own fields are called.
    let body = with(ENVELOPE_L3, "id", "\"mine\"");
    let body = with(&body, "stored_at", "\"mine\"");
    let mut request = post("/write", with(&body, "x-unknown", "[1,{}]"));
    let id = ("idempotency-key".to_owned(), "id-1".to_owned());
    request.headers.push(id);
    assert_eq!(writer.call(request).await.status, 200);

    let response = reader.try_call(get("/read?device_id=d1")).await.unwrap();
    assert!(!String::from_utf8_lossy(&response.body).contains("mine"));
    let told = reader.call(get("/read?device_id=d1")).await;
    let mut item: Value = serde_json::from_str(ENVELOPE_L3).unwrap();
    item["x-unknown"] = json!([1, {}]);
    item["id"] = json!("id-1");
    item["stored_at"] = json!("2026-01-01T00:00:01.500000Z");
    assert_eq!(told.status, 200);
    assert_eq!(told.header("content-type"), Some("application/json"));
    assert_eq!(told.body, json!({"items": [item], "count": 1}));
}

#[tokio::test(start_paused = true)]
async fn a_payload_is_read_byte_by_byte_as_it_was_written() {
    let payload = r#"{ "device_id":"d1", "t":1.50,"n":12345678901234567890.10, "u":"\u00e4\/" }"#;
    let stage = reader().await;
    let body = format!(r#"{{ "payload":{payload} }}"#);
    stage.put(0, "a", &body).await;
    let response = stage.try_call(get("/read?device_id=d1")).await.unwrap();
    let text = String::from_utf8(response.body).unwrap();
    assert!(text.contains(payload), "{text}");
}

#[tokio::test(start_paused = true)]
async fn items_come_by_time_and_id_newest_first_or_in_the_order_asked_for() {
    let stage = five().await;
    for (order, expected) in [
        ("", ["e", "d", "c", "b", "a"]),
        ("&order=desc", ["e", "d", "c", "b", "a"]),
        ("&order=asc", ["a", "b", "c", "d", "e"]),
    ] {
        let told = stage.call(get(&format!("/read?device_id=d1{order}"))).await;
        assert_eq!(ids(&told), expected, "{order}");
    }
}

#[tokio::test(start_paused = true)]
async fn from_is_inclusive_and_to_is_exclusive() {
    let stage = five().await;
    let at = |seconds: u32| format!("2026-01-01T00:00:{seconds:02}Z");
    for (from, to, expected) in [
        (Some(10), None, "bcde"),
        (None, Some(10), "a"),
        (Some(10), Some(20), "bc"),
        (Some(10), Some(10), ""),
        (Some(20), Some(10), ""),
        (Some(31), None, ""),
        (Some(0), Some(31), "abcde"),
    ] {
        let mut target = "/read?device_id=d1&order=asc".to_owned();
        for (name, seconds) in [("from", from), ("to", to)] {
            if let Some(seconds) = seconds {
                target.push_str(&format!("&{name}={}", at(seconds)));
            }
        }
        let told = stage.call(get(&target)).await;
        assert_eq!(ids(&told).concat(), expected, "{target}");
        assert_eq!(told.body.get("next"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_id_is_url_encoded_and_a_device_without_records_has_an_empty_page() {
    let writer = Stage::of(FunctionName::Writer).build().await;
    let reader = Stage::of(FunctionName::Reader).beside(&writer);
    let reader = reader.build().await;
    let body = with(ENVELOPE_L3, "payload.device_id", "\"a b/ü&=+%\"");
    assert_eq!(writer.call(post("/write", body)).await.status, 200);
    for (encoded, count) in [
        ("a%20b%2F%C3%BC%26%3D%2B%25", 1),
        ("a+b/ü%26=%2b%25", 1),
        ("a+b/ü", 0),
        ("nobody", 0),
    ] {
        let told = reader
            .call(get(&format!("/read?device_id={encoded}")))
            .await;
        assert_eq!(told.status, 200);
        assert_eq!(told.body["count"], count, "{encoded}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_a_503_and_a_system_error() {
    let stage = five().await;
    stage.records_fail(true);
    for _ in 0..2 {
        let told = stage.call(get("/read?device_id=d1")).await;
        assert_eq!((told.status, told.code()), (503, "STORE_UNAVAILABLE"));
        assert_eq!(told.header("retry-after"), Some("1"));
    }
    assert_eq!(stage.event_codes().await, ["RECORD_READ_FAILED"]);
}
