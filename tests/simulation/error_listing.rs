//! Error reporter: `GET /errors` lists errors as `GET /read` lists records, for the twin.

use serde_json::{Value, json};
use twin_host::function::FunctionName;
use twin_tests::{
    Stage,
    bodies::{SYSTEM_ERROR, with},
    get, post,
};

use crate::reader::ids;

/// Errors `e0`, `e1`, …, a second apart.
async fn with_errors(count: usize) -> Stage {
    let stage = Stage::of(FunctionName::ErrorReporter).build().await;
    for number in 0..count {
        let time = format!("\"2026-01-01T00:00:{number:02}Z\"");
        let mut request = post("/errors", with(SYSTEM_ERROR, "timestamp", &time));
        let id = ("idempotency-key".to_owned(), format!("e{number}"));
        request.headers.push(id);
        assert_eq!(stage.call(request).await.status, 200);
    }
    stage
}

#[tokio::test(start_paused = true)]
async fn an_item_is_the_system_error_with_its_id_and_when_it_was_stored() {
    let stage = with_errors(1).await;
    let mut item: Value = serde_json::from_str(SYSTEM_ERROR).unwrap();
    item["id"] = json!("e0");
    item["stored_at"] = json!("2026-01-01T00:00:00.000000Z");
    let told = stage.call(get("/errors")).await;
    assert_eq!(told.status, 200);
    assert_eq!(told.body, json!({"items": [item], "count": 1}));
}

#[tokio::test(start_paused = true)]
async fn errors_are_listed_newest_first_and_page_by_page() {
    let stage = with_errors(5).await;
    for (query, expected) in [
        ("", &["e4", "e3", "e2", "e1", "e0"][..]),
        ("order=asc", &["e0", "e1", "e2", "e3", "e4"]),
        (
            "from=2026-01-01T00:00:01Z&to=2026-01-01T00:00:03Z",
            &["e2", "e1"],
        ),
    ] {
        let told = stage.call(get(&format!("/errors?{query}"))).await;
        assert_eq!(ids(&told), expected, "{query}");
    }
    let first = stage.call(get("/errors?limit=2")).await;
    assert_eq!(ids(&first), ["e4", "e3"]);
    let next = first.body["next"].as_str().unwrap();
    let second = stage
        .call(get(&format!("/errors?limit=3&cursor={next}")))
        .await;
    assert_eq!(ids(&second), ["e2", "e1", "e0"]);
    assert_eq!(second.body.get("next"), None);
}

#[tokio::test(start_paused = true)]
async fn a_parameter_that_is_none_is_a_400_that_names_it() {
    let stage = with_errors(0).await;
    for (query, code, name) in [
        ("device_id=d1", "PARAMETER_UNKNOWN", "device_id"),
        ("severity=INFO", "PARAMETER_UNKNOWN", "severity"),
        ("limit=0", "PARAMETER_INVALID", "limit"),
        ("order=up", "PARAMETER_INVALID", "order"),
        ("cursor=x", "PARAMETER_INVALID", "cursor"),
    ] {
        let told = stage.call(get(&format!("/errors?{query}"))).await;
        assert_eq!((told.status, told.code()), (400, code), "{query}");
        assert!(told.message().contains(&format!("`{name}`")), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_a_503_and_never_an_event() {
    let stage = with_errors(1).await;
    stage.records_fail(true);
    let told = stage.call(get("/errors")).await;
    assert_eq!((told.status, told.code()), (503, "STORE_UNAVAILABLE"));
    assert!(stage.events().await.is_empty());
}
