//! Connector: `POST /dead-letters/replay` sends letters again, and removes those that were delivered.

use serde_json::json;
use twin_capabilities::{
    dead_letters::Letter,
    peers::{Reply, SendFailure},
};
use twin_host::providers::memory::Capability;
use twin_tests::{
    connector_with_letters, dead_lettered, envelope, error, post, received, reply, seconds,
};

#[tokio::test(start_paused = true)]
async fn happens_only_on_command() {
    let stage = connector_with_letters(3).await;
    stage.send("another").await;
    seconds(24 * 3_600).await;
    assert_eq!(stage.sent_by_id().len(), 1, "the other message");
    assert_eq!(stage.letters().await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn sends_the_original_bytes_under_the_original_id() {
    let stage = connector_with_letters(3).await;
    let letters = stage.letters().await;
    let report = stage.replay("").await;
    assert_eq!(
        report,
        json!({"replayed": 3, "failed": 0, "postponed": 0, "failures": []})
    );
    let arrivals = stage.peers.arrivals();
    assert_eq!(arrivals.len(), 3);
    for (stored, arrival) in letters.iter().zip(arrivals) {
        assert_eq!(arrival.header("idempotency-key"), Some(&*stored.letter.id));
        assert_eq!(arrival.request.body, stored.letter.envelope);
        assert_eq!(arrival.header("content-type"), Some("application/json"));
        assert_eq!(arrival.header("x-twin-timeout-ms"), Some("10000"));
    }
    assert!(stage.letters().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn settles_a_letter_on_200_and_202_and_on_nothing_else() {
    let cases: Vec<(Result<Reply, SendFailure>, Option<&str>)> = vec![
        (Ok(received("x")), None),
        (Ok(dead_lettered("x")), None),
        (
            Ok(reply(200, b"<html>")),
            Some("HTTP 200 without the contract's body"),
        ),
        (
            Ok(reply(201, br#"{"status":"received","id":"x"}"#)),
            Some("HTTP 201"),
        ),
        (Ok(error(302)), Some("HTTP 302")),
        (Ok(error(400)), Some("HTTP 400")),
        (Ok(error(403)), Some("HTTP 403")),
        (Ok(error(409)), Some("HTTP 409")),
        (Ok(error(429)), Some("HTTP 429")),
        (Ok(error(503)), Some("HTTP 503")),
        (Err(SendFailure::TimedOut), Some("timed out")),
        (
            Err(SendFailure::Unreachable("no".to_owned())),
            Some("unreachable: no"),
        ),
        (Err(SendFailure::UnknownPeer), Some("no such peer is bound")),
    ];
    for (outcome, cause) in cases {
        let stage = connector_with_letters(1).await;
        let letter = stage.letter().await;
        let answer = outcome.clone();
        stage.peers.answer("ingestion", move |_, _| answer.clone());
        let report = stage.replay("").await;
        assert_eq!(stage.peers.arrivals().len(), 1, "one attempt");
        match cause {
            None => {
                assert_eq!(report["replayed"], 1, "{outcome:?}");
                assert!(stage.letters().await.is_empty());
            }
            Some(cause) => {
                let failure = json!({"letter_id": letter.letter_id, "cause": cause});
                assert_eq!(
                    report,
                    json!({"replayed": 0, "failed": 1, "postponed": 0, "failures": [failure]})
                );
                assert_eq!(stage.letter().await, letter, "as it was");
                assert_eq!(stage.letters().await[0].leased_until, None, "free again");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn takes_so_many_of_the_oldest_or_the_one_that_is_named() {
    let stage = connector_with_letters(5).await;
    assert_eq!(stage.replay(r#"{"limit":2}"#).await["replayed"], 2);
    let left = stage.letters().await;
    let ids: Vec<_> = left.iter().map(|stored| &*stored.letter.id).collect();
    assert_eq!(ids, ["m2", "m3", "m4"]);
    let command = json!({"letter_id": left[1].letter.letter_id}).to_string();
    assert_eq!(stage.replay(&command).await["replayed"], 1);
    let left = stage.letters().await;
    let ids: Vec<_> = left.iter().map(|stored| &*stored.letter.id).collect();
    assert_eq!(ids, ["m2", "m4"]);
    let nothing = json!({"replayed": 0, "failed": 0, "postponed": 0, "failures": []});
    assert_eq!(stage.replay(&command).await, nothing, "it is gone");
    assert_eq!(stage.replay(" {} ").await["replayed"], 2);
    assert_eq!(stage.replay("").await, nothing);
}

#[tokio::test(start_paused = true)]
async fn bad_commands_are_a_400_that_names_what_is_wrong() {
    let stage = connector_with_letters(1).await;
    for (command, code, named) in [
        ("{", "BODY_NOT_JSON", "JSON"),
        ("[]", "BODY_NOT_AN_OBJECT", "object"),
        ("7", "BODY_NOT_AN_OBJECT", "object"),
        (r#"{"limit":0}"#, "FIELD_INVALID", "limit"),
        (r#"{"limit":1001}"#, "FIELD_INVALID", "limit"),
        (r#"{"limit":-1}"#, "FIELD_INVALID", "limit"),
        (r#"{"limit":1.5}"#, "FIELD_INVALID", "limit"),
        (r#"{"limit":"1"}"#, "FIELD_INVALID", "limit"),
        (r#"{"letter_id":1}"#, "FIELD_INVALID", "letter_id"),
        (r#"{"letter":"x"}"#, "FIELD_UNKNOWN", "letter"),
        (r#"{"peer":"reader"}"#, "FIELD_INVALID", "peer"),
        (r#"{"before":"noon"}"#, "FIELD_INVALID", "before"),
        (r#"{"dry_run":1}"#, "FIELD_INVALID", "dry_run"),
        (r#"{"cursor":"x"}"#, "FIELD_INVALID", "cursor"),
    ] {
        let told = stage.call(post("/dead-letters/replay", command)).await;
        assert_eq!((told.status, told.code()), (400, code), "{command}");
        assert!(told.message().contains(named), "{told:?}");
    }
    assert!(stage.peers.arrivals().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_letter_of_no_known_peer_stays() {
    let stage = connector_with_letters(0).await;
    let letter = Letter {
        letter_id: "l".to_owned(),
        id: "m".to_owned(),
        peer: "reader".to_owned(),
        trace_id: None,
        envelope: envelope("L2").into_bytes(),
        attempts: Vec::new(),
        first_failure_at: 0,
        last_failure_at: 0,
    };
    stage
        .stores
        .stores()
        .dead_letters
        .push(letter)
        .await
        .unwrap();
    let failure = json!({"letter_id": "l", "cause": "no peer takes this letter"});
    assert_eq!(stage.replay("").await["failures"], json!([failure]));
    assert_eq!(stage.letters().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_arrived_but_could_not_be_removed_is_sent_again_under_its_id() {
    let stage = connector_with_letters(1).await;
    let stores = stage.stores.clone();
    stage.peers.answer("ingestion", move |nth, _| {
        stores.fail(Capability::DeadLetters, nth == 0);
        Ok(received("x"))
    });
    let report = stage.replay("").await;
    let cause = report["failures"][0]["cause"].as_str().unwrap();
    assert!(cause.starts_with("arrived, but not removed"), "{cause}");
    stage.stores.fail(Capability::DeadLetters, false);
    // It could not be released, either, so its lease has to end.
    seconds(30).await;
    assert_eq!(stage.replay("").await["replayed"], 1);
    assert_eq!(
        stage.sent_by_id().into_iter().collect::<Vec<_>>(),
        [("m0".to_owned(), 2)]
    );
}

#[tokio::test(start_paused = true)]
async fn letters_that_never_arrive_do_not_keep_others_from_being_sent() {
    let stage = connector_with_letters(5).await;
    let refused = ["m0", "m1", "m2"];
    stage.peers.answer("ingestion", move |_, arrival| {
        let id = arrival.header("idempotency-key").unwrap_or_default();
        let good = !refused.contains(&id);
        Ok(if good { received("x") } else { error(400) })
    });
    for _ in 0..4 {
        stage.replay(r#"{"limit":3}"#).await;
    }
    let left = stage.letters().await;
    let left: Vec<_> = left.iter().map(|stored| &*stored.letter.id).collect();
    assert_eq!(left, refused, "the others have arrived");
}

#[tokio::test(start_paused = true)]
async fn commands_that_continue_each_other_reach_every_letter_once() {
    let stage = connector_with_letters(300).await;
    stage.peers.answer("ingestion", |nth, _| {
        Ok(if nth % 3 == 0 {
            received("x")
        } else {
            error(400)
        })
    });
    let (mut cursor, mut commands, mut reached) = (json!(null), 0, 0);
    loop {
        let command = match cursor.as_str() {
            Some(cursor) => json!({"limit": 70, "cursor": cursor}),
            None => json!({"limit": 70}),
        };
        let report = stage.replay(&command.to_string()).await;
        commands += 1;
        reached += report["replayed"].as_u64().unwrap() + report["failed"].as_u64().unwrap();
        // A letter that is stored meanwhile belongs to the next round.
        stage
            .stores
            .stores()
            .dead_letters
            .push(late(commands))
            .await
            .unwrap();
        cursor = report["next"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!((commands, reached), (5, 300));
    let sent = stage.sent_by_id();
    assert_eq!(sent.len(), 300);
    assert!(sent.values().all(|times| *times == 1), "{sent:?}");
}

fn late(number: u32) -> Letter {
    Letter {
        letter_id: format!("late-{number}"),
        id: format!("late-{number}"),
        peer: "ingestion".to_owned(),
        trace_id: None,
        envelope: envelope("L2").into_bytes(),
        attempts: Vec::new(),
        first_failure_at: 0,
        last_failure_at: 0,
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_what_would_be_sent_and_touches_nothing() {
    let stage = connector_with_letters(5).await;
    let letters = stage.letters().await;
    let shown = stage.replay(r#"{"dry_run":true,"limit":3}"#).await;
    assert_eq!(shown["dry_run"], true);
    assert_eq!(shown["count"], 3);
    let first = &letters[0].letter;
    assert_eq!(
        shown["letters"][0],
        json!({
            "letter_id": first.letter_id,
            "id": "m0",
            "peer": "ingestion",
            "stored_at": "2026-01-01T00:00:00.000000Z",
        })
    );
    let command = json!({"dry_run": true, "cursor": shown["next"]});
    let rest = stage.replay(&command.to_string()).await;
    let ids = |shown: &serde_json::Value| -> Vec<String> {
        let letters = shown["letters"].as_array().unwrap().iter();
        letters
            .map(|letter| letter["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        [ids(&shown), ids(&rest)].concat(),
        ["m0", "m1", "m2", "m3", "m4"]
    );
    assert_eq!(rest.get("next"), None);

    assert!(stage.peers.arrivals().is_empty());
    let after = stage.letters().await;
    assert_eq!(after, letters, "none is leased");
    assert_eq!(stage.replay("").await["replayed"], 5);
}

#[tokio::test(start_paused = true)]
async fn letters_are_chosen_by_peer_and_by_when_they_were_stored() {
    let stage = connector_with_letters(2).await;
    seconds(10).await;
    stage.call(post("/telemetry", envelope("L3"))).await;
    stage.peers.answer("writer", |_, _| Ok(received("x")));
    for (command, count) in [
        (json!({"peer": "writer"}), 1),
        (json!({"peer": "ingestion"}), 2),
        (json!({"before": "2026-01-01T00:00:10Z"}), 2),
        (json!({"before": "2026-01-01T00:00:00Z"}), 0),
        (
            json!({"peer": "writer", "before": "2026-01-01T00:00:10Z"}),
            0,
        ),
    ] {
        let mut dry = command.clone();
        dry["dry_run"] = json!(true);
        let shown = stage.replay(&dry.to_string()).await;
        assert_eq!(shown["count"], count, "{command}");
    }
    let report = stage.replay(r#"{"peer":"writer"}"#).await;
    assert_eq!(report["replayed"], 1, "{report}");
    let report = stage.replay(r#"{"before":"2026-01-01T00:00:10Z"}"#).await;
    assert_eq!(report["replayed"], 2, "{report}");
    assert!(stage.letters().await.is_empty());
}
