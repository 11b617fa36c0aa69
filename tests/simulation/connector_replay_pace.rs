//! Connector: how many attempts a replay makes and how long it takes, and its effect on the circuit.

use std::time::Duration;

use twin_capabilities::peers::SendFailure;
use twin_tests::{
    connector_with_letters, envelope, error, failing, post, received, seconds, with_header,
};

#[tokio::test(start_paused = true)]
async fn a_thousand_letters_go_in_one_command_16_at_a_time() {
    let stage = connector_with_letters(1_000).await;
    stage.peers.script("ingestion", |_, _| {
        (Duration::from_millis(100), Ok(received("x")))
    });
    assert_eq!(stage.replay("").await["replayed"], 1_000);
    assert!(stage.letters().await.is_empty());
    let times = stage.peers.times_ms();
    let most = times
        .iter()
        .map(|at| times.iter().filter(|other| *other == at).count())
        .max();
    assert_eq!(most, Some(16));
}

#[tokio::test(start_paused = true)]
async fn works_while_the_circuit_is_open_and_closes_it() {
    let stage = connector_with_letters(3).await;
    stage.open_circuit("ingestion", 300).await;
    seconds(1).await;
    assert_eq!(stage.send("refused").await.status, 202);
    assert_eq!(stage.replay("").await["replayed"], 4);
    assert_eq!(stage.circuit("ingestion").await, "closed");
    assert_eq!(stage.events_of("CIRCUIT_CLOSED").await.len(), 1);
    assert_eq!(stage.send("m").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_still_down_is_not_hammered_and_the_letters_stay() {
    for outcome in [failing(), Err(SendFailure::Unreachable("no".to_owned()))] {
        let stage = connector_with_letters(300).await;
        stage.peers.script("ingestion", move |_, _| {
            (Duration::from_millis(10), outcome.clone())
        });
        let report = stage.replay("").await;
        let sent = stage.peers.arrivals().len();
        assert!((1..=16).contains(&sent), "{sent} of 300");
        assert_eq!(report["replayed"], 0);
        assert_eq!(report["failed"], sent);
        assert_eq!(report["postponed"], 300 - sent);
        assert_eq!(report["failures"].as_array().unwrap().len(), sent);
        let letters = stage.letters().await;
        assert_eq!(letters.len(), 300);
        assert!(letters.iter().all(|stored| stored.leased_until.is_none()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_failing_replay_leaves_an_open_circuit_as_it_is() {
    let stage = connector_with_letters(3).await;
    stage.open_circuit("ingestion", 300).await;
    let version = stage.circuit_version("ingestion").await;
    stage.peers.answer("ingestion", |_, _| failing());
    stage.replay("").await;
    assert_eq!(stage.circuit_version("ingestion").await, version);
}

#[tokio::test(start_paused = true)]
async fn one_peer_that_is_down_does_not_hold_up_the_letters_of_another() {
    let stage = connector_with_letters(40).await;
    stage.peers.answer("writer", |_, _| Ok(error(400)));
    stage.call(post("/telemetry", envelope("L3"))).await;
    stage.peers.answer("ingestion", |_, _| failing());
    stage.peers.answer("writer", |_, _| Ok(received("x")));
    assert_eq!(stage.replay("").await["replayed"], 1);
    let letters = stage.letters().await;
    assert!(
        letters
            .iter()
            .all(|stored| stored.letter.peer == "ingestion")
    );
}

#[tokio::test(start_paused = true)]
async fn ends_before_its_deadline_and_leaves_the_rest() {
    let stage = connector_with_letters(200).await;
    stage.peers.script("ingestion", |_, _| {
        (Duration::from_secs(4), Ok(received("x")))
    });
    let report = stage.replay("").await;
    // Six rounds of 16 letters in 24 s, and a seventh that the deadline of 24.5 s cuts off.
    assert!(stage.elapsed_ms() <= 25_000, "{}", stage.elapsed_ms());
    assert_eq!(report["replayed"], 96);
    assert_eq!(stage.letters().await.len(), 104);
    // Letters that were not reached are left to the next command, which reaches all of them.
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    let command = serde_json::json!({"cursor": report["next"]}).to_string();
    let rest = stage.replay(&command).await;
    let failed = report["failed"].as_u64().unwrap();
    assert_eq!(rest["replayed"], 104 - failed, "{rest}");
}

#[tokio::test(start_paused = true)]
async fn has_no_more_patience_than_whoever_commands_it() {
    let stage = connector_with_letters(100).await;
    stage.peers.script("ingestion", |_, _| {
        (Duration::from_secs(2), Ok(received("x")))
    });
    let command = post("/dead-letters/replay", "");
    let told = stage
        .call(with_header(command, "x-twin-timeout-ms", "5500"))
        .await;
    // Two rounds of 16; the third one has half a second, and gets no reply.
    assert_eq!(told.body["replayed"], 32, "{told:?}");
    assert_eq!(stage.elapsed_ms(), 4_500);
    assert_eq!(stage.letters().await.len(), 68);
}
