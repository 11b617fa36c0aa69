//! Connector: what each reply of a peer means (spec §3, "Response Contract").

use serde_json::json;
use twin_capabilities::peers::SendFailure;
use twin_tests::{
    causes, conflict, connector, connector_with_letters, dead_lettered, error, received, reply,
    without_retries,
};

const RECEIVED: &str = r#"{"status":"received","id":"x"}"#;

#[tokio::test(start_paused = true)]
async fn who_received_or_keeps_it_passes_status_and_id_upstream() {
    for (answer, status, word) in [
        (received("their-id"), 200, "received"),
        (dead_lettered("their-id"), 202, "dead-lettered"),
    ] {
        let stage = connector().build().await;
        stage.start_failing("ingestion").await;
        stage
            .peers
            .answer("ingestion", move |_, _| Ok(answer.clone()));
        let told = stage.send("mine").await;
        assert_eq!(told.status, status);
        assert_eq!(told.body, json!({"status": word, "id": "their-id"}));
        assert_eq!(told.header("content-type"), Some("application/json"));
        assert_eq!(stage.peers.times_ms(), [0], "no retry");
        assert!(stage.letters().await.is_empty(), "no letter of its own");
        assert_eq!(stage.event_codes().await, Vec::<String>::new());
        assert_eq!(stage.circuit("ingestion").await, "closed");
    }
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_is_a_letter_at_once() {
    let answers = [
        (200, "<html>log in</html>"),
        (200, r#"{"status":"ok"}"#),
        (200, r#"{"status":"dead-lettered","id":"x"}"#),
        (201, RECEIVED),
        (202, RECEIVED),
        (204, ""),
        (301, ""),
        (302, RECEIVED),
        (307, ""),
        (400, ""),
        (401, ""),
        (403, ""),
        (404, ""),
        (405, ""),
        (409, ""),
        (409, "<html>Conflict</html>"),
        (409, r#"{"message":"Conflict"}"#),
        (
            409,
            r#"{"status":"error","error_code":"OTHER","message":"m"}"#,
        ),
        (410, ""),
        (413, ""),
        (422, ""),
        (451, ""),
    ];
    for (status, body) in answers {
        let stage = connector().build().await;
        let answer = reply(status, body.as_bytes());
        stage
            .peers
            .answer("ingestion", move |_, _| Ok(answer.clone()));
        let told = stage.send("mine").await;
        assert_eq!(told.status, 202, "{status} {body}");
        assert_eq!(told.body, json!({"status": "dead-lettered", "id": "mine"}));
        assert_eq!(stage.peers.times_ms(), [0], "{status}: no retry");
        let letter = stage.letter().await;
        assert_eq!(letter.attempts.len(), 1);
        assert_eq!(letter.attempts[0].status, Some(status));
        let cause = &letter.attempts[0].cause;
        assert!(cause.starts_with(&format!("HTTP {status}")), "{cause}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_host_refuses_to_send_is_a_letter_at_once() {
    for (failure, cause) in [
        (
            SendFailure::RefusedByPolicy("plain http".to_owned()),
            "refused by policy: plain http",
        ),
        (
            SendFailure::Other("reply too long".to_owned()),
            "reply too long",
        ),
    ] {
        let stage = connector().build().await;
        stage
            .peers
            .answer("ingestion", move |_, _| Err(failure.clone()));
        assert_eq!(stage.send("m").await.status, 202, "{cause}");
        assert_eq!(stage.elapsed_ms(), 0);
        assert_eq!(causes(&stage.letter().await), [cause]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_the_senders_to_know_and_no_letter() {
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |_, _| Ok(conflict()));
    let told = stage.send("m").await;
    assert_eq!((told.status, told.code()), (409, "ID_REUSED"));
    assert_eq!(stage.peers.times_ms(), [0]);
    assert!(stage.letters().await.is_empty());
    assert_eq!(stage.event_codes().await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn failures_of_the_circuit_are_429_5xx_unreachable_and_timed_out() {
    let cause = || "cause".to_owned();
    let fails = [429, 500, 501, 502, 503, 504, 599].map(|status| (Ok(error(status)), true));
    let works =
        [408, 425, 400, 401, 403, 404, 409, 413, 302, 204].map(|status| (Ok(error(status)), false));
    let silent = [
        (Err(SendFailure::Unreachable(cause())), true),
        (Err(SendFailure::TimedOut), true),
    ];
    for (outcome, counts) in fails.into_iter().chain(works).chain(silent) {
        let stage = without_retries().build().await;
        let answer = outcome.clone();
        stage.peers.answer("ingestion", move |_, _| answer.clone());
        // A failing circuit shows both: a failure leaves it failing, and a success closes it.
        stage.start_failing("ingestion").await;
        stage.send("m").await;
        let expected = if counts { "failing" } else { "closed" };
        assert_eq!(stage.circuit("ingestion").await, expected, "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn our_own_faults_say_nothing_about_the_peer() {
    let cause = || "cause".to_owned();
    for failure in [
        SendFailure::CredentialsUnavailable(cause()),
        SendFailure::Exhausted(cause()),
        SendFailure::RefusedByPolicy(cause()),
        SendFailure::Other(cause()),
    ] {
        let stage = without_retries().build().await;
        stage
            .peers
            .answer("ingestion", move |_, _| Err(failure.clone()));
        stage.send("before").await;
        assert_eq!(stage.circuit_version("ingestion").await, 0, "no failure");
        stage.start_failing("ingestion").await;
        twin_tests::seconds(2).await;
        stage.send("after").await;
        assert_eq!(stage.circuit("ingestion").await, "failing", "no success");
    }
}

#[tokio::test(start_paused = true)]
async fn what_this_side_lacks_to_send_is_left_with_the_sender_and_is_no_letter() {
    let exhausted = || Err(SendFailure::Exhausted("too many open files".to_owned()));
    let stage = connector().build().await;
    stage.peers.answer("ingestion", move |_, _| exhausted());
    let told = stage.send("m").await;
    assert_eq!((told.status, told.code()), (503, "RESOURCES_EXHAUSTED"));
    assert_eq!(told.header("retry-after"), Some("1"));
    assert_eq!(stage.peers.times_ms(), [0, 1_000, 3_000, 7_000]);
    assert!(stage.letters().await.is_empty());
    assert_eq!(stage.circuit_version("ingestion").await, 0, "no failure");
    assert_eq!(stage.event_codes().await, ["RESOURCES_EXHAUSTED"]);
    // The shortage ends before the deadline.
    stage.peers.answer("ingestion", move |nth, _| match nth {
        0 | 1 => exhausted(),
        _ => Ok(received("m")),
    });
    assert_eq!(stage.send("m").await.status, 200);
    // A message that the peer itself then refuses becomes a letter as usual.
    stage.peers.answer("ingestion", move |nth, _| match nth {
        0 => exhausted(),
        _ => Ok(error(400)),
    });
    assert_eq!(stage.send("m").await.status, 202);
    let letter = stage.letter().await;
    assert_eq!(
        causes(&letter),
        ["this side could not send: too many open files", "HTTP 400"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_lacks_what_it_takes_to_send_leaves_the_letters() {
    let stage = connector_with_letters(3).await;
    stage.peers.answer("ingestion", |_, _| {
        Err(SendFailure::Exhausted("too many open files".to_owned()))
    });
    let report = stage.replay("").await;
    assert_eq!(
        (&report["replayed"], &report["failed"], &report["postponed"]),
        (&0.into(), &0.into(), &3.into()),
        "{report}"
    );
    assert_eq!(stage.letters().await.len(), 3);
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    assert_eq!(stage.replay("").await["replayed"], 3);
}
