//! Connector: `DELETE /dead-letters/{id}` discards a letter and reports it.

use serde_json::json;
use twin_capabilities::error_topic::Severity;
use twin_contract::digest;
use twin_host::{function::Request, providers::memory::Capability};
use twin_tests::{
    KEY, OPERATOR_KEY, Stage, connector, connector_with_letters, delete, error, get, received,
    seconds, with_header,
};

async fn first_letter(stage: &Stage) -> String {
    stage.letters().await[0].letter.letter_id.clone()
}

#[tokio::test(start_paused = true)]
async fn a_discarded_letter_is_gone_and_reported_with_who_why_and_what() {
    let stage = connector_with_letters(2).await;
    let letter = stage.letters().await.remove(0).letter;
    let target = format!(
        "/dead-letters/{}?reason=sent+by+a+test%2C%20twice",
        letter.letter_id
    );
    let told = stage.call(delete(&target)).await;
    let gone = json!({"status": "discarded", "letter_id": letter.letter_id});
    assert_eq!((told.status, told.body), (200, gone));
    let left = stage.letters().await;
    assert_eq!(left.len(), 1);
    assert_ne!(left[0].letter.letter_id, letter.letter_id);

    let events = stage.events_of("LETTER_DISCARDED").await;
    let [event] = &events[..] else {
        panic!("one event: {events:?}");
    };
    assert_eq!(event.severity, Severity::Info);
    assert_eq!(event.component, "L1-Connector");
    assert_eq!(event.cloud_provider, "aws");
    assert_eq!(
        event.message,
        format!(
            "key-1 discarded dead letter {} for ingestion (message {}, envelope sha256 {}): sent by a test, twice",
            letter.letter_id,
            letter.id,
            digest(&letter.envelope)
        )
    );
    assert_eq!(event.raw_data, None, "the content may be the reason");
    assert!(stage.peers.arrivals().is_empty());

    let again = stage.call(delete(&target)).await;
    assert_eq!((again.status, again.code()), (404, "LETTER_NOT_FOUND"));
    assert_eq!(stage.events_of("LETTER_DISCARDED").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_discard_needs_a_reason() {
    let stage = connector_with_letters(1).await;
    let letter_id = first_letter(&stage).await;
    let long = format!("reason={}", "x".repeat(501));
    for (query, code) in [
        ("", "PARAMETER_MISSING"),
        ("reason=", "PARAMETER_INVALID"),
        ("reason=%20", "PARAMETER_INVALID"),
        ("reason=a%0Ab", "PARAMETER_INVALID"),
        ("reason=%FF", "PARAMETER_INVALID"),
        (&long, "PARAMETER_INVALID"),
        ("reason=a&reason=b", "PARAMETER_UNKNOWN"),
        ("reason=a&force=1", "PARAMETER_UNKNOWN"),
    ] {
        let target = format!("/dead-letters/{letter_id}?{query}");
        let told = stage.call(delete(&target)).await;
        assert_eq!((told.status, told.code()), (400, code), "{query}");
    }
    assert_eq!(stage.letters().await.len(), 1);
    assert!(stage.events_of("LETTER_DISCARDED").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_a_replay_holds_is_not_discarded() {
    let stage = connector_with_letters(1).await;
    let target = format!("/dead-letters/{}?reason=x", first_letter(&stage).await);
    stage.peers.script("ingestion", |_, _| {
        (std::time::Duration::from_secs(5), Ok(error(400)))
    });
    let during = async {
        seconds(1).await;
        stage.call(delete(&target)).await
    };
    let (_, told) = futures_util::join!(stage.replay(""), during);
    assert_eq!((told.status, told.code()), (409, "LETTER_LEASED"));
    assert!(stage.events_of("LETTER_DISCARDED").await.is_empty());
    assert_eq!(stage.call(delete(&target)).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_reported_stays_and_keeps_its_turn() {
    let stage = connector_with_letters(2).await;
    let letter_id = first_letter(&stage).await;
    stage.stores.fail(Capability::ErrorTopic, true);
    let target = format!("/dead-letters/{letter_id}?reason=x");
    let told = stage.call(delete(&target)).await;
    assert_eq!((told.status, told.code()), (503, "DISCARD_NOT_REPORTED"));
    assert_eq!(told.header("retry-after"), Some("1"));
    stage.stores.fail(Capability::ErrorTopic, false);
    assert_eq!(stage.letters().await.len(), 2);
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    assert_eq!(stage.replay(r#"{"limit":1}"#).await["replayed"], 1);
    let shown = stage.call(get(&format!("/dead-letters/{letter_id}"))).await;
    assert_eq!(shown.status, 404, "it was still the first");
}

#[tokio::test(start_paused = true)]
async fn the_report_names_the_operators_key() {
    let stage = connector().operated().build().await;
    stage.peers.answer("ingestion", |_, _| Ok(error(400)));
    stage.send("m").await;
    let target = format!("/dead-letters/{}?reason=x", first_letter(&stage).await);
    let by = |key: &str| {
        let request = Request {
            headers: Vec::new(),
            ..delete(&target)
        };
        stage.call(with_header(request, "x-api-key", key))
    };
    assert_eq!(by(KEY).await.status, 403);
    assert_eq!(by(OPERATOR_KEY).await.status, 200);
    let events = stage.events_of("LETTER_DISCARDED").await;
    assert!(
        events[0].message.starts_with("operator-1 discarded"),
        "{events:?}"
    );
}
