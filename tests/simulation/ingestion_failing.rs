//! Ingestion: a next hop that does not answer, or answers incorrectly.

use std::time::Duration;

use twin_capabilities::{
    error_topic::Severity,
    peers::{Reply, SendFailure},
};
use twin_host::function::FunctionName;
use twin_tests::{
    Stage, Told, bodies::ENVELOPE_L2, error, page, post, received, reply, reply_with, with_header,
};

async fn with_peer(peer: &str, answer: Result<Reply, SendFailure>) -> Stage {
    let stage = Stage::of(FunctionName::Ingestion).build().await;
    stage.peers.answer(peer, move |_, _| answer.clone());
    stage
}

async fn ingest(stage: &Stage) -> Told {
    stage.call(post("/ingest", ENVELOPE_L2)).await
}

#[tokio::test(start_paused = true)]
async fn a_next_hop_that_refuses_our_credential_is_our_fault_and_not_the_callers() {
    for peer in ["connector", "writer"] {
        for status in [401, 403] {
            let stage = with_peer(peer, Ok(error(status))).await;
            let told = ingest(&stage).await;
            assert_eq!((told.status, told.code()), (502, "NEXT_HOP_REFUSED"));
            assert_eq!(stage.event_codes().await, ["HAND_ON_FAILED"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_none_of_the_contract_is_a_502() {
    for answer in [
        reply_with(302, &[("location", "https://login.example")], b""),
        reply(200, b"<html>Please log in</html>"),
        reply(200, br#"{"status":"ok"}"#),
        reply(201, br#"{"status":"received","id":"x"}"#),
        reply(204, b""),
        page(400),
        page(404),
        page(409),
        page(413),
        reply(409, br#"{"error_code":"ID_REUSED"}"#),
    ] {
        for peer in ["connector", "writer"] {
            let stage = with_peer(peer, Ok(answer.clone())).await;
            let told = ingest(&stage).await;
            let context = format!("{peer}: {answer:?}: {told:?}");
            assert_eq!(
                (told.status, told.code()),
                (502, "NEXT_HOP_REFUSED"),
                "{context}"
            );
            assert_eq!(stage.event_codes().await, ["HAND_ON_FAILED"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_says_come_again_is_a_503_in_our_words_with_its_wish() {
    for peer in ["connector", "writer"] {
        for status in [408, 425, 429, 500, 502, 503, 504] {
            for (wish, passed_on) in [(None, "1"), (Some("6.5"), "7"), (Some("soon"), "1")] {
                let headers = wish.map(|wish| ("retry-after", wish));
                let answer = reply_with(status, headers.as_slice(), b"<html>Busy</html>");
                let stage = with_peer(peer, Ok(answer)).await;
                let told = ingest(&stage).await;
                assert_eq!((told.status, told.code()), (503, "NEXT_HOP_UNAVAILABLE"));
                assert_eq!(told.header("retry-after"), Some(passed_on), "{wish:?}");
                assert_eq!(told.header("content-type"), Some("application/json"));
                assert_eq!(stage.event_codes().await, ["HAND_ON_FAILED"]);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_for_want_of_time_says_whose_time_is_too_short() {
    for (patience, codes) in [
        ("100", &["TIME_TOO_SHORT", "HAND_ON_FAILED"][..]),
        ("1000", &["HAND_ON_FAILED"]),
    ] {
        let stage = Stage::of(FunctionName::Ingestion).build().await;
        let slow = Duration::from_secs(2);
        stage
            .peers
            .script("writer", move |_, _| (slow, Ok(received("x"))));
        let request = with_header(post("/ingest", ENVELOPE_L2), "x-twin-timeout-ms", patience);
        let told = stage.call(request).await;
        assert_eq!((told.status, told.code()), (503, "NEXT_HOP_UNAVAILABLE"));
        assert_eq!(stage.event_codes().await, codes, "{patience}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_next_hop_that_cannot_be_reached_is_a_503_after_one_attempt() {
    for peer in ["connector", "writer"] {
        for failure in [
            SendFailure::Unreachable("no route".to_owned()),
            SendFailure::TimedOut,
            SendFailure::CredentialsUnavailable("vault closed".to_owned()),
            SendFailure::Exhausted("too many open files".to_owned()),
        ] {
            let stage = with_peer(peer, Err(failure)).await;
            let told = ingest(&stage).await;
            assert_eq!((told.status, told.code()), (503, "NEXT_HOP_UNAVAILABLE"));
            assert_eq!(told.header("retry-after"), Some("1"));
            assert_eq!(stage.peers.times_ms(), [0]);
            assert_eq!(stage.event_codes().await, ["HAND_ON_FAILED"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_next_hop_that_never_answers_does_not_outlast_the_functions_deadline() {
    for peer in ["connector", "writer"] {
        let stage = Stage::of(FunctionName::Ingestion).build().await;
        stage
            .peers
            .script(peer, |_, _| (Duration::from_secs(3600), Ok(received("x"))));
        let told = ingest(&stage).await;
        assert_eq!((told.status, told.code()), (503, "NEXT_HOP_UNAVAILABLE"));
        assert_eq!(stage.elapsed_ms(), 24_500);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_connector_and_a_writer_nobody_takes_the_message() {
    let stage = Stage::of(FunctionName::Ingestion).build().await;
    let told = ingest(&stage).await;
    assert_eq!((told.status, told.code()), (503, "PEER_UNBOUND"));
    assert_eq!(told.header("retry-after"), Some("1"));
    assert_eq!(stage.event_codes().await, ["HAND_ON_FAILED"]);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_handed_on_is_a_warning_at_most_once_in_ten_seconds() {
    let stage = with_peer("writer", Ok(error(503))).await;
    for _ in 0..4 {
        ingest(&stage).await;
        tokio::time::sleep(Duration::from_millis(2_500)).await;
    }
    let events = stage.events().await;
    assert_eq!(events.len(), 1);
    let event = &events[0];
    assert_eq!(event.error_code, "HAND_ON_FAILED");
    assert_eq!(event.severity, Severity::Warning);
    assert_eq!(event.component, "L2-Ingestion");
    assert!(event.raw_data.as_deref().unwrap().contains("\"L3\""));
    ingest(&stage).await;
    let events = stage.events().await;
    assert_eq!(events.len(), 2);
    assert!(events[1].message.contains("(4 times"), "{:?}", events[1]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_the_writer_refuses_is_its_senders_affair_and_no_system_error() {
    for status in [400, 409, 413, 429] {
        let stage = with_peer("writer", Ok(error(status))).await;
        assert_eq!(ingest(&stage).await.status, status);
        assert!(stage.events().await.is_empty());
    }
}
