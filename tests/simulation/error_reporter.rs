//! Error reporter: stores what the error topic delivers, exactly once.

use serde_json::json;
use twin_contract::digest;
use twin_host::function::{FunctionName, Request};
use twin_tests::{
    SYSTEM_ERRORS, Stage,
    bodies::{SYSTEM_ERROR, with, without},
    post,
};

pub(crate) async fn reporter() -> Stage {
    Stage::of(FunctionName::ErrorReporter).build().await
}

pub(crate) fn report(id: &str, body: &str) -> Request {
    let mut request = post("/errors", body);
    let header = ("idempotency-key".to_owned(), id.to_owned());
    request.headers.push(header);
    request
}

#[tokio::test(start_paused = true)]
async fn a_system_error_is_stored_with_exactly_its_fields() {
    let stage = reporter().await;
    let told = stage.call(report("id-1", SYSTEM_ERROR)).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(told.body, json!({"status": "received", "id": "id-1"}));
    let records = stage.records(SYSTEM_ERRORS, "test-twin").await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].body, SYSTEM_ERROR.as_bytes());
}

#[tokio::test(start_paused = true)]
async fn a_field_that_is_missing_wrong_or_not_of_the_specification_is_a_400_that_names_it() {
    let stage = reporter().await;
    let required = [
        "twin_id",
        "cloud_provider",
        "severity",
        "component",
        "error_code",
        "message",
        "timestamp",
    ];
    for field in required {
        let told = stage
            .call(post("/errors", without(SYSTEM_ERROR, field)))
            .await;
        assert_eq!((told.status, told.code()), (400, "FIELD_MISSING"));
        assert!(told.message().contains(&format!("`{field}`")), "{told:?}");
    }
    for (field, value, code) in [
        ("twin_id", "\"\"", "FIELD_INVALID"),
        ("cloud_provider", "\"ibm\"", "FIELD_INVALID"),
        ("severity", "\"critical\"", "FIELD_INVALID"),
        ("severity", "\"ERROR\"", "FIELD_INVALID"),
        ("component", "\"\"", "FIELD_INVALID"),
        ("error_code", "5", "FIELD_INVALID"),
        ("message", "null", "FIELD_INVALID"),
        ("timestamp", "\"now\"", "FIELD_INVALID"),
        ("raw_data", "{}", "FIELD_INVALID"),
        ("id", "\"x\"", "FIELD_UNKNOWN"),
        ("stack", "\"x\"", "FIELD_UNKNOWN"),
    ] {
        let told = stage
            .call(post("/errors", with(SYSTEM_ERROR, field, value)))
            .await;
        assert_eq!((told.status, told.code()), (400, code), "{field} {value}");
        assert!(told.message().contains(&format!("`{field}`")), "{told:?}");
    }
    assert!(stage.records(SYSTEM_ERRORS, "test-twin").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn raw_data_is_optional_and_cut_at_64_kib() {
    let stage = reporter().await;
    let bodies = [
        without(SYSTEM_ERROR, "raw_data"),
        with(SYSTEM_ERROR, "raw_data", "null"),
    ];
    for body in bodies {
        assert_eq!(stage.call(report("none", &body)).await.status, 200);
    }
    let long = format!("\"x{}\"", "ä".repeat(50_000));
    let body = with(SYSTEM_ERROR, "raw_data", &long);
    assert_eq!(stage.call(report("some", &body)).await.status, 200);
    let records = stage.records(SYSTEM_ERRORS, "test-twin").await;
    let raw_data = |id: &str| {
        let record = records.iter().find(|record| record.id == id).unwrap();
        let stored: serde_json::Value = serde_json::from_slice(&record.body).unwrap();
        stored
            .get("raw_data")
            .map(|raw| raw.as_str().unwrap().len())
    };
    assert_eq!(records.len(), 2);
    assert_eq!(raw_data("none"), None);
    // The last character would not fit completely.
    assert_eq!(raw_data("some"), Some(64 * 1024 - 1));
}

#[tokio::test(start_paused = true)]
async fn without_an_id_the_error_itself_is_its_identity() {
    let stage = reporter().await;
    for body in [
        SYSTEM_ERROR.to_owned(),
        // The same fields in another order, with spaces.
        format!(" {} ", with(SYSTEM_ERROR, "message", "\"quota exceeded\"")),
    ] {
        let told = stage.call(post("/errors", body)).await;
        assert_eq!(told.body["id"], digest(SYSTEM_ERROR.as_bytes()));
    }
    assert_eq!(stage.records(SYSTEM_ERRORS, "test-twin").await.len(), 1);
}
