//! Writer: what it does when the store fails.

use std::time::Duration;

use twin_capabilities::error_topic::Severity;
use twin_host::{function::FunctionName, providers::memory::Capability};
use twin_tests::{
    MESSAGES, Stage,
    bodies::{ENVELOPE_L3, with},
    post,
};

async fn failing() -> Stage {
    let stage = Stage::of(FunctionName::Writer).build().await;
    stage.records_fail(true);
    stage
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_stored_is_a_503_to_try_again() {
    let stage = failing().await;
    let told = stage.call(post("/write", ENVELOPE_L3)).await;
    assert_eq!((told.status, told.code()), (503, "STORE_UNAVAILABLE"));
    assert_eq!(told.header("retry-after"), Some("1"));
    stage.records_fail(false);
    assert!(stage.records(MESSAGES, "d1").await.is_empty());
    let told = stage.call(post("/write", ENVELOPE_L3)).await;
    assert_eq!(told.status, 200);
    assert_eq!(stage.records(MESSAGES, "d1").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_stored_is_a_critical_system_error() {
    let stage = failing().await;
    stage.call(post("/write", ENVELOPE_L3)).await;
    let events = stage.events().await;
    assert_eq!(events.len(), 1);
    let event = &events[0];
    assert_eq!(event.severity, Severity::Critical);
    assert_eq!(event.error_code, "RECORD_WRITE_FAILED");
    assert_eq!(event.component, "L3-Writer");
    assert_eq!(event.twin_id, "test-twin");
    assert_eq!(event.cloud_provider, "aws");
    assert_eq!(event.timestamp, "2026-01-01T00:00:00.000000Z");
    assert_eq!(event.raw_data.as_deref(), Some(ENVELOPE_L3));
    assert!(event.message.contains("told to fail"), "{}", event.message);
}

#[tokio::test(start_paused = true)]
async fn at_most_one_system_error_in_ten_seconds_says_how_many_it_stands_for() {
    let stage = failing().await;
    for wait_ms in [5_000, 4_999, 1] {
        stage.call(post("/write", ENVELOPE_L3)).await;
        assert_eq!(stage.events().await.len(), 1);
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    }
    stage.call(post("/write", ENVELOPE_L3)).await;
    let events = stage.events().await;
    assert_eq!(events.len(), 2);
    assert!(
        events[1].message.contains("(3 times"),
        "{}",
        events[1].message
    );
}

#[tokio::test(start_paused = true)]
async fn a_system_error_carries_64_kib_of_the_payload_at_most() {
    let stage = failing().await;
    let long = format!("\"{}\"", "ä".repeat(40_000));
    let body = with(ENVELOPE_L3, "payload.note", &long);
    stage.call(post("/write", &body)).await;
    let events = stage.events().await;
    let raw_data = events[0].raw_data.as_deref().unwrap();
    assert!((64 * 1024 - 3..=64 * 1024).contains(&raw_data.len()));
    assert!(body.starts_with(raw_data));
}

#[tokio::test(start_paused = true)]
async fn an_error_topic_that_fails_too_changes_nothing_for_the_caller() {
    let stage = failing().await;
    stage.stores.fail(Capability::ErrorTopic, true);
    let told = stage.call(post("/write", ENVELOPE_L3)).await;
    assert_eq!((told.status, told.code()), (503, "STORE_UNAVAILABLE"));
}
