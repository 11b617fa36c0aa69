//! Connector: when the circuit opens, and which attempts are then not made (spec §4).

use serde_json::json;
use twin_tests::{Stage, causes, connector, failing, received, seconds, without_retries};

/// Sends one message; the peer fails or receives it.
async fn one(stage: &Stage, fails: bool) {
    stage.peers.answer("ingestion", move |_, _| {
        if fails { failing() } else { Ok(received("x")) }
    });
    stage.send("m").await;
}

#[tokio::test(start_paused = true)]
async fn opens_when_failures_span_a_minute_without_a_success_or_a_longer_gap() {
    const F: bool = true;
    const S: bool = false;
    for (course, expected) in [
        (&[(0, S), (60, S)][..], "closed"),
        (&[(0, F)], "failing"),
        (&[(0, F), (20, F), (40, F), (59, F)], "failing"),
        (&[(0, F), (20, F), (40, F), (60, F)], "open"),
        (&[(0, F), (60, F)], "open"),
        (&[(0, F), (61, F)], "failing"),
        (&[(0, F), (30, F), (91, F)], "failing"),
        (&[(0, F), (30, F), (91, F), (120, F)], "failing"),
        (&[(0, F), (30, F), (91, F), (120, F), (151, F)], "open"),
        (&[(0, F), (59, S)], "closed"),
        (&[(0, F), (30, F), (59, S), (60, F)], "failing"),
        (&[(0, F), (59, S), (60, F), (90, F), (119, F)], "failing"),
        (&[(0, F), (59, S), (60, F), (90, F), (120, F)], "open"),
    ] {
        let stage = without_retries().build().await;
        for (second, fails) in course {
            seconds(second - stage.elapsed_ms() / 1_000).await;
            one(&stage, *fails).await;
        }
        assert_eq!(stage.circuit("ingestion").await, expected, "{course:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_device_that_fails_now_and_then_does_not_open_it() {
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |_, _| failing());
    for n in 0..10 {
        assert_eq!(stage.send(&format!("m{n}")).await.status, 202);
        assert_eq!(stage.circuit("ingestion").await, "failing");
        seconds(61).await;
    }
    assert_eq!(
        stage.peers.arrivals().len(),
        40,
        "every one had its retries"
    );
}

#[tokio::test(start_paused = true)]
async fn open_means_letters_without_an_attempt_for_300_seconds() {
    let stage = without_retries().build().await;
    stage.peers.answer("ingestion", |_, _| failing());
    stage.fail_for_a_minute().await;
    let opened = stage.elapsed_ms();
    for after in [0, 1, 150, 299] {
        seconds(opened / 1_000 + after - stage.elapsed_ms() / 1_000).await;
        let id = format!("m{after}");
        let told = stage.send(&id).await;
        assert_eq!(told.status, 202);
        assert_eq!(told.body, json!({"status": "dead-lettered", "id": id}));
        let letters = stage.letters().await;
        let letter = &letters.last().unwrap().letter;
        assert_eq!(
            (letter.id.as_str(), causes(letter)),
            (&*id, vec!["circuit open"])
        );
    }
    assert_eq!(stage.peers.arrivals().len(), 4, "those that opened it");
    seconds(1).await;
    stage.send("probe").await;
    assert_eq!(stage.peers.arrivals().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn its_times_are_settings() {
    let stage = without_retries()
        .set("CIRCUIT_FAILING_SECONDS", "5")
        .set("CIRCUIT_OPEN_SECONDS", "7.5");
    let stage = stage.build().await;
    for (second, expected) in [(0, "failing"), (4, "failing"), (5, "open")] {
        seconds(second - stage.elapsed_ms() / 1_000).await;
        one(&stage, true).await;
        assert_eq!(stage.circuit("ingestion").await, expected, "{second}");
    }
    seconds(7).await;
    one(&stage, true).await;
    assert_eq!(stage.peers.arrivals().len(), 3);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    one(&stage, false).await;
    assert_eq!(stage.circuit("ingestion").await, "closed");
}

#[tokio::test(start_paused = true)]
async fn deliveries_that_wait_stop_waiting_when_it_opens() {
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |_, _| failing());
    let opens = async {
        tokio::time::sleep(std::time::Duration::from_millis(3_500)).await;
        stage.open_circuit("ingestion", 300).await;
    };
    let (told, ()) = futures_util::join!(stage.send_many("m", 10), opens);
    assert!(told.iter().all(|told| told.status == 202), "{told:?}");
    assert!(stage.elapsed_ms() <= 4_500, "not the 7 s of the schedule");
    assert_eq!(stage.peers.arrivals().len(), 30);
    for stored in stage.letters().await {
        assert_eq!(
            causes(&stored.letter),
            ["HTTP 503", "HTTP 503", "HTTP 503", "circuit open"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_opened_while_the_clock_was_a_day_ahead_is_probed_after_its_own_time() {
    const DAY: u64 = 86_400;
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    stage.open_circuit("ingestion", DAY + 300).await;
    for second in [0, 150, 299] {
        seconds(second - stage.elapsed_ms() / 1_000).await;
        assert_eq!(stage.send("refused").await.status, 202, "{second}");
    }
    seconds(1).await;
    assert_eq!(stage.send("probe").await.status, 200);
    assert_eq!(stage.circuit("ingestion").await, "closed");
    assert_eq!(stage.events_of("CIRCUIT_OPENED").await.len(), 0);
    assert_eq!(stage.events_of("CIRCUIT_CLOSED").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_began_while_the_clock_was_a_day_ahead_blocks_for_its_lease() {
    const DAY: u64 = 86_400_000;
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    let until = stage.now_ms() + DAY + 11_000;
    let state = json!({"state": "half-open", "until": until});
    stage.put_circuit("ingestion", state).await;
    assert_eq!(stage.send("refused").await.status, 202);
    seconds(11).await;
    assert_eq!(stage.send("probe").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn each_peer_has_its_own() {
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    stage.peers.answer("writer", |_, _| Ok(received("x")));
    stage.open_circuit("writer", 300).await;
    let to_writer = twin_tests::post("/telemetry", twin_tests::envelope("L3"));
    assert_eq!(stage.call(to_writer).await.status, 202);
    assert_eq!(stage.send("m").await.status, 200);
}
