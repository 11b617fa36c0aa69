//! Connector: listing and showing dead letters with `GET /dead-letters` and `GET /dead-letters/{id}`.

use serde_json::{Value, json};
use twin_host::{function::Request, providers::memory::Capability};
use twin_tests::{
    READING, Stage, TRACE, TRACEPARENT, connector, delete, error, get, post, received, seconds,
    with_header,
};

/// A connector with this many letters; `m0` is the oldest.
async fn with_letters(count: usize) -> Stage {
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |_, _| Ok(error(400)));
    for n in 0..count {
        stage.send(&format!("m{n}")).await;
    }
    stage
}

fn ids(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().expect("items").iter();
    items
        .map(|item| item["id"].as_str().expect("an id"))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_letter_is_shown_whole_and_its_envelope_verbatim() {
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |nth, _| {
        Ok(error(if nth == 0 { 503 } else { 400 }))
    });
    let request = with_header(post("/telemetry", READING), "traceparent", TRACEPARENT);
    stage
        .call(with_header(request, "idempotency-key", "mine"))
        .await;
    let letter = stage.letter().await;
    let shown = stage
        .try_call(get(&format!("/dead-letters/{}", letter.letter_id)))
        .await;
    let shown = shown.expect("a response");
    assert_eq!(shown.status, 200);
    let text = String::from_utf8(shown.body).unwrap();
    let envelope = String::from_utf8(letter.envelope).unwrap();
    assert!(
        text.contains(&format!(r#""envelope":{envelope}"#)),
        "{text}"
    );
    let mut body: Value = serde_json::from_str(&text).unwrap();
    body.as_object_mut().unwrap().remove("envelope");
    let (first, last) = ("2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:01.000000Z");
    assert_eq!(
        body,
        json!({
            "letter_id": letter.letter_id,
            "id": "mine",
            "peer": "ingestion",
            "trace_id": TRACE,
            "attempts": [
                {"at": first, "status": 503, "cause": "HTTP 503"},
                {"at": last, "status": 400, "cause": "HTTP 400"},
            ],
            "first_failure_at": first,
            "last_failure_at": last,
            "stored_at": last,
        })
    );
}

#[tokio::test(start_paused = true)]
async fn letters_are_listed_oldest_first_page_by_page() {
    let stage = with_letters(7).await;
    let mut target = "/dead-letters?limit=3".to_owned();
    let mut pages = Vec::new();
    loop {
        let told = stage.call(get(&target)).await;
        assert_eq!(told.status, 200, "{told:?}");
        assert_eq!(
            told.body["count"],
            told.body["items"].as_array().unwrap().len()
        );
        let next = told.body["next"].as_str().map(str::to_owned);
        pages.push(told.body);
        match next {
            Some(next) => target = format!("/dead-letters?limit=3&cursor={next}"),
            None => break,
        }
    }
    let pages: Vec<_> = pages.iter().map(ids).collect();
    assert_eq!(
        pages,
        [vec!["m0", "m1", "m2"], vec!["m3", "m4", "m5"], vec!["m6"]]
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_has_100_letters_unless_another_number_up_to_1000_is_asked_for() {
    let stage = with_letters(101).await;
    for (target, count) in [("/dead-letters", 100), ("/dead-letters/?limit=1000", 101)] {
        assert_eq!(stage.call(get(target)).await.body["count"], count);
    }
    let empty = with_letters(0).await;
    let told = empty.call(get("/dead-letters")).await;
    assert_eq!(
        (told.status, told.body),
        (200, json!({"items": [], "count": 0}))
    );
}

#[tokio::test(start_paused = true)]
async fn wrong_parameters_are_a_400_that_names_them() {
    let stage = with_letters(0).await;
    for (query, code, named) in [
        ("limit=0", "PARAMETER_INVALID", "limit"),
        ("limit=1001", "PARAMETER_INVALID", "limit"),
        ("limit=many", "PARAMETER_INVALID", "limit"),
        ("limit=1&limit=2", "PARAMETER_UNKNOWN", "limit"),
        ("peer=writer", "PARAMETER_UNKNOWN", "peer"),
        ("cursor=garbage", "PARAMETER_INVALID", "cursor"),
        ("cursor=", "PARAMETER_INVALID", "cursor"),
        ("cursor=-1~a", "PARAMETER_INVALID", "cursor"),
        ("cursor=%FF", "PARAMETER_INVALID", "cursor"),
        ("limit=%zz", "PARAMETER_INVALID", "limit"),
    ] {
        let told = stage.call(get(&format!("/dead-letters?{query}"))).await;
        assert_eq!((told.status, told.code()), (400, code), "{query}");
        assert!(told.message().contains(named), "{told:?}");
    }
    for request in [
        get("/dead-letters/none?limit=3"),
        with_query(post("/dead-letters/replay", ""), "limit=3"),
    ] {
        let told = stage.call(request).await;
        assert_eq!((told.status, told.code()), (400, "PARAMETER_UNKNOWN"));
        assert!(told.message().contains("limit"), "{told:?}");
    }
}

fn with_query(request: Request, query: &str) -> Request {
    Request {
        query: query.to_owned(),
        ..request
    }
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_is_not_there_is_a_404() {
    let stage = with_letters(1).await;
    let told = stage.call(get("/dead-letters/none")).await;
    assert_eq!((told.status, told.code()), (404, "LETTER_NOT_FOUND"));
    let letter = stage.letter().await;
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    stage.replay("").await;
    let told = stage
        .call(get(&format!("/dead-letters/{}", letter.letter_id)))
        .await;
    assert_eq!(told.status, 404, "it was replayed");
}

#[tokio::test(start_paused = true)]
async fn a_letter_under_replay_says_until_when() {
    let stage = with_letters(1).await;
    let letter = stage.letter().await;
    stage.peers.script("ingestion", |_, _| {
        (std::time::Duration::from_secs(5), Ok(error(400)))
    });
    let look = async {
        seconds(1).await;
        let told = stage
            .call(get(&format!("/dead-letters/{}", letter.letter_id)))
            .await;
        told.body["leased_until"].clone()
    };
    let (report, during) = futures_util::join!(stage.replay(""), look);
    assert_eq!(report["failed"], 1);
    assert_eq!(
        during, "2026-01-01T00:00:30.000000Z",
        "the deadline and five seconds"
    );
    let after = stage.call(get("/dead-letters")).await;
    assert_eq!(after.body["items"][0].get("leased_until"), None);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_a_503() {
    let stage = with_letters(1).await;
    stage.stores.fail(Capability::DeadLetters, true);
    for request in [
        get("/dead-letters"),
        get("/dead-letters/abc"),
        post("/dead-letters/replay", ""),
        post("/dead-letters/replay", r#"{"dry_run":true}"#),
        delete("/dead-letters/abc?reason=x"),
    ] {
        let told = stage.call(request).await;
        assert_eq!((told.status, told.code()), (503, "STORE_UNAVAILABLE"));
        assert_eq!(told.header("retry-after"), Some("1"));
    }
}
