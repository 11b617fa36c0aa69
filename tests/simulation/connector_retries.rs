//! Connector: retries (specification section 4).

use twin_host::function::FunctionName;
use twin_tests::{Stage, error, post, received};

const READING: &str = r#"{"device_id":"d1","time":"2026-01-01T00:00:00Z","t":1.50}"#;

#[tokio::test(start_paused = true)]
async fn retries_after_1_2_and_4_seconds_with_identical_bytes() {
    let stage = Stage::of(FunctionName::Connector).build().await;
    stage.peers.answer("ingestion", |nth, _| {
        Ok(if nth < 3 { error(503) } else { received("x") })
    });
    let told = stage.call(post("/telemetry", READING)).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(stage.peers.times_ms(), [0, 1_000, 3_000, 7_000]);
    let arrivals = stage.peers.arrivals();
    for arrival in &arrivals {
        assert_eq!(arrival.body(), arrivals[0].body());
        assert_eq!(
            arrival.header("idempotency-key"),
            arrivals[0].header("idempotency-key")
        );
    }
}
