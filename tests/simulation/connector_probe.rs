//! Connector: how an open circuit closes again, with a single probe under a lease.

use std::time::Duration;

use serde_json::json;
use twin_capabilities::error_topic::Severity;
use twin_tests::{
    Stage, attempt_times_ms, causes, connector, failing, received, seconds, without_retries,
};

/// A connector whose open period is over: the next message is the probe.
async fn about_to_probe() -> Stage {
    let stage = connector().build().await;
    stage.open_circuit("ingestion", 0).await;
    stage
}

#[tokio::test(start_paused = true)]
async fn of_many_messages_at_once_one_is_the_probe() {
    let stage = about_to_probe().await;
    stage.peers.script("ingestion", |_, _| {
        (Duration::from_secs(2), Ok(received("x")))
    });
    let told = stage.send_many("m", 100).await;
    assert_eq!(stage.peers.arrivals().len(), 1);
    let delivered = told.iter().filter(|told| told.status == 200).count();
    assert_eq!(delivered, 1);
    let letters = stage.letters().await;
    assert_eq!(letters.len(), 99);
    for stored in letters {
        assert_eq!(causes(&stored.letter), ["circuit open"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_arrives_closes_it_for_all() {
    let stage = about_to_probe().await;
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    assert_eq!(stage.send("probe").await.status, 200);
    assert_eq!(stage.circuit("ingestion").await, "closed");
    let told = stage.send_many("m", 50).await;
    assert!(told.iter().all(|told| told.status == 200), "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_is_one_attempt_and_reopens_it_for_300_seconds() {
    let stage = about_to_probe().await;
    stage.peers.answer("ingestion", |_, _| failing());
    assert_eq!(stage.send("probe").await.status, 202);
    assert_eq!(stage.elapsed_ms(), 0, "no retry");
    assert_eq!(causes(&stage.letter().await), ["HTTP 503"]);
    assert_eq!(stage.circuit("ingestion").await, "open");
    seconds(299).await;
    stage.send("refused").await;
    assert_eq!(stage.peers.arrivals().len(), 1);
    seconds(1).await;
    stage.send("next-probe").await;
    assert_eq!(stage.peers.times_ms(), [0, 300_000]);
}

#[tokio::test(start_paused = true)]
async fn a_healthy_refusal_closes_it_too() {
    let stage = about_to_probe().await;
    stage
        .peers
        .answer("ingestion", |_, _| Ok(twin_tests::error(400)));
    assert_eq!(stage.send("probe").await.status, 202);
    assert_eq!(stage.circuit("ingestion").await, "closed");
}

#[tokio::test(start_paused = true)]
async fn a_killed_prober_blocks_it_no_longer_than_its_lease() {
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    let until = stage.now_ms() + 11_000;
    let state = json!({"state": "half-open", "until": until});
    stage.put_circuit("ingestion", state).await;
    for second in 0..11 {
        let told = stage.send(&format!("m{second}")).await;
        assert_eq!(told.status, 202, "{second}: somebody probes");
        seconds(1).await;
    }
    assert_eq!(stage.send("probe").await.status, 200);
    assert_eq!(stage.circuit("ingestion").await, "closed");
}

#[tokio::test(start_paused = true)]
async fn the_lease_outlasts_the_longest_attempt() {
    let stage = about_to_probe().await;
    stage.peers.script("ingestion", |_, _| {
        (Duration::from_secs(3_600), Ok(received("x")))
    });
    let others = async {
        for second in 0..10 {
            stage.send(&format!("m{second}")).await;
            seconds(1).await;
        }
    };
    let (told, ()) = futures_util::join!(stage.send("probe"), others);
    assert_eq!(told.status, 202);
    assert_eq!(stage.peers.arrivals().len(), 1);
    assert_eq!(stage.circuit("ingestion").await, "open");
    let letters = stage.letters().await;
    let probe = letters.iter().find(|stored| stored.letter.id == "probe");
    assert_eq!(attempt_times_ms(&probe.unwrap().letter), [10_000]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_from_before_it_opened_proves_nothing_by_failing_and_closes_it_by_arriving() {
    for (arrives, expected) in [(false, "half-open"), (true, "closed")] {
        let stage = connector().build().await;
        stage.peers.script("ingestion", move |_, _| {
            let answer = if arrives {
                Ok(received("x"))
            } else {
                failing()
            };
            (Duration::from_secs(5), answer)
        });
        let another_probes = async {
            seconds(1).await;
            let until = stage.now_ms() + 11_000;
            let state = json!({"state": "half-open", "until": until});
            stage.put_circuit("ingestion", state).await;
            // This makes this instance read the state, too.
            stage.send("refused").await;
        };
        futures_util::join!(stage.send("slow"), another_probes);
        assert_eq!(stage.peers.arrivals().len(), 1);
        assert_eq!(stage.circuit("ingestion").await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn opening_is_a_warning_and_closing_an_info_each_told_once() {
    let stage = without_retries().build().await;
    stage.peers.answer("ingestion", |_, _| failing());
    stage.fail_for_a_minute().await;
    stage.send_many("refused", 20).await;
    seconds(300).await;
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    stage.send("probe").await;
    stage.send_many("m", 20).await;
    let mut told = stage.events().await;
    told.retain(|event| event.error_code.starts_with("CIRCUIT_"));
    let told: Vec<_> = told
        .iter()
        .map(|event| {
            (
                event.severity,
                event.error_code.as_str(),
                event.timestamp.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                Severity::Warning,
                "CIRCUIT_OPENED",
                "2026-01-01T00:01:00.000000Z"
            ),
            (
                Severity::Info,
                "CIRCUIT_CLOSED",
                "2026-01-01T00:06:00.000000Z"
            ),
        ]
    );
}
