//! Connector: what it stores of a message that it could not deliver.

use std::time::Duration;

use serde_json::json;
use twin_capabilities::{error_topic::Severity, peers::SendFailure};
use twin_host::providers::memory::Capability;
use twin_tests::{
    EPOCH_SECONDS, READING, TRACE, TRACEPARENT, attempt_times_ms, causes, connector, envelope,
    error, failing, post, received, seconds, with_header,
};

#[tokio::test(start_paused = true)]
async fn a_letter_holds_the_envelope_and_every_attempt_with_its_time_and_cause() {
    let stage = connector().build().await;
    stage.peers.script("ingestion", |nth, _| match nth {
        0 => (Duration::from_millis(250), failing()),
        1 => (
            Duration::ZERO,
            Err(SendFailure::Unreachable("refused".to_owned())),
        ),
        2 => (Duration::from_secs(60), Ok(received("too late"))),
        _ => (Duration::ZERO, Ok(error(401))),
    });
    seconds(5).await;
    let request = with_header(post("/telemetry", READING), "traceparent", TRACEPARENT);
    let request = with_header(request, "idempotency-key", "mine");
    let told = stage.call(request).await;
    assert_eq!(told.status, 202);
    assert_eq!(told.body, json!({"status": "dead-lettered", "id": "mine"}));

    let letter = stage.letter().await;
    assert_eq!(letter.id, "mine");
    assert_eq!(letter.peer, "ingestion");
    assert_eq!(letter.trace_id.as_deref(), Some(TRACE));
    let sent = stage.peers.arrivals();
    assert!(
        sent.iter()
            .all(|arrival| arrival.request.body == letter.envelope)
    );
    assert_eq!(
        causes(&letter),
        ["HTTP 503", "unreachable: refused", "timed out", "HTTP 401"]
    );
    let statuses: Vec<_> = letter
        .attempts
        .iter()
        .map(|attempt| attempt.status)
        .collect();
    assert_eq!(statuses, [Some(503), None, None, Some(401)]);
    assert_eq!(attempt_times_ms(&letter), [5_250, 6_250, 18_250, 22_250]);
    let micros = |ms: i64| i64::try_from(EPOCH_SECONDS).unwrap() * 1_000_000 + ms * 1_000;
    assert_eq!(letter.first_failure_at, micros(5_250));
    assert_eq!(letter.last_failure_at, micros(22_250));
}

#[tokio::test(start_paused = true)]
async fn a_letter_of_an_envelope_holds_its_own_trace_or_none() {
    for (body, trace) in [
        (envelope("L3"), Some("abc-123")),
        (envelope("L3").replace(r#","trace_id":"abc-123""#, ""), None),
    ] {
        let stage = connector().build().await;
        stage.peers.answer("writer", |_, _| Ok(error(400)));
        let request = with_header(post("/telemetry", &body), "traceparent", TRACEPARENT);
        assert_eq!(stage.call(request).await.status, 202);
        let letter = stage.letter().await;
        assert_eq!(letter.peer, "writer");
        assert_eq!(letter.trace_id.as_deref(), trace);
        assert_eq!(letter.envelope, body.as_bytes());
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_message_dead_lettered_twice_is_one_letter() {
    for body in [READING.to_owned(), envelope("L2")] {
        let stage = connector().build().await;
        stage.peers.answer("ingestion", |_, _| Ok(error(400)));
        for _ in 0..3 {
            // A device that got the 202 would not send again, but one that lost the reply would.
            assert_eq!(stage.call(post("/telemetry", &body)).await.status, 202);
            seconds(5).await;
        }
        assert_eq!(
            attempt_times_ms(&stage.letter().await),
            [0],
            "the first stays"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn other_messages_are_other_letters_even_under_one_id() {
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |_, _| Ok(error(400)));
    for reading in [READING.to_owned(), READING.replace("1.50", "1.51")] {
        let request = with_header(post("/telemetry", reading), "idempotency-key", "same");
        assert_eq!(stage.call(request).await.status, 202);
    }
    let letters = stage.letters().await;
    assert_eq!(letters.len(), 2);
    assert_ne!(letters[0].letter.letter_id, letters[1].letter.letter_id);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_stored_either_is_never_a_2xx() {
    let open = connector().build().await;
    open.open_circuit("ingestion", 300).await;
    let failed = connector().build().await;
    failed.peers.answer("ingestion", |_, _| failing());
    let refused = connector().build().await;
    refused.peers.answer("ingestion", |_, _| Ok(error(403)));
    for (stage, cause) in [
        (open, "circuit open"),
        (failed, "HTTP 503"),
        (refused, "HTTP 403"),
    ] {
        stage.stores.fail(Capability::DeadLetters, true);
        let told = stage.send("m").await;
        assert_eq!(
            (told.status, told.code()),
            (503, "DELIVERY_FAILED"),
            "{cause}"
        );
        assert_eq!(told.header("retry-after"), Some("1"));
        let events = stage.events().await;
        assert_eq!(events.len(), 1, "{events:?}");
        assert_eq!(events[0].severity, Severity::Critical);
        assert_eq!(events[0].error_code, "DEAD_LETTER_NOT_STORED");
        assert_eq!(events[0].component, "L1-Connector");
        assert!(events[0].message.contains(cause), "{}", events[0].message);
        assert!(events[0].raw_data.as_ref().unwrap().contains("1.50"));
        // The sender still has the message, and succeeds when the store works again.
        stage.stores.fail(Capability::DeadLetters, false);
        assert_eq!(stage.send("m").await.status, 202);
        assert_eq!(stage.letter().await.id, "m");
    }
}
