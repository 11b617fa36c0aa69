//! Connector: how often it reports dead letters, alone and with other hosts.

use twin_host::providers::memory::Capability;
use twin_tests::{
    Stage, connector, connector_refused, envelope, error, failing, post, seconds, without_retries,
};

const DEAD_LETTERED: &str = "DELIVERY_DEAD_LETTERED";

/// The number of letters that each event represents.
async fn counts(stage: &Stage) -> Vec<u64> {
    let events = stage.events_of(DEAD_LETTERED).await.into_iter();
    events
        .map(|event| {
            let count = event.message.split(' ').next().unwrap();
            count.parse().expect("the message begins with the count")
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn one_event_in_10_seconds_says_how_many_letters_it_stands_for() {
    let stage = connector_refused().await;
    for second in 0..=20 {
        stage.send_many(&format!("m{second}-"), 3).await;
        seconds(1).await;
    }
    assert_eq!(stage.letters().await.len(), 63);
    // At 0, 10 and 20 s; the last two letters belong to the next event.
    assert_eq!(counts(&stage).await, [1, 30, 30]);
    let times: Vec<_> = stage
        .events()
        .await
        .into_iter()
        .map(|event| event.timestamp)
        .collect();
    assert_eq!(
        times,
        [
            "2026-01-01T00:00:00.000000Z",
            "2026-01-01T00:00:10.000000Z",
            "2026-01-01T00:00:20.000000Z"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn each_peer_and_code_has_its_own_ten_seconds() {
    let stage = without_retries().build().await;
    for peer in ["ingestion", "writer"] {
        stage.peers.answer(peer, |_, _| failing());
    }
    for _ in 0..3 {
        for layer in ["L2", "L3"] {
            stage.call(post("/telemetry", envelope(layer))).await;
        }
        seconds(1).await;
    }
    let messages: Vec<_> = stage
        .events()
        .await
        .into_iter()
        .map(|event| event.message)
        .collect();
    assert_eq!(
        messages,
        [
            "1 message for ingestion became a dead letter: HTTP 503",
            "1 message for writer became a dead letter: HTTP 503"
        ]
    );
    stage.stores.fail(Capability::DeadLetters, true);
    stage.send_many("lost", 5).await;
    assert_eq!(stage.events_of("DEAD_LETTER_NOT_STORED").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn all_instances_together_report_once_in_10_seconds() {
    let stage = connector().instances(4).build().await;
    stage.peers.answer("ingestion", |_, _| Ok(error(400)));
    for second in 0..10 {
        stage.send_many(&format!("m{second}-"), 8).await;
        seconds(1).await;
    }
    assert_eq!(counts(&stage).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_report_from_a_time_that_has_not_come_does_not_hold_back_the_next() {
    const DAY_MS: u64 = 86_400_000;
    let stage = connector_refused().await;
    let circuits = stage.stores.stores().circuits;
    let name = format!("event/ingestion/{DEAD_LETTERED}");
    let tomorrow = (stage.now_ms() + DAY_MS).to_string();
    circuits.compare_and_swap(name, 0, tomorrow).await.unwrap();
    stage.send("m").await;
    assert_eq!(counts(&stage).await, [1]);
}

#[tokio::test(start_paused = true)]
async fn two_hosts_report_in_turn_and_no_count_is_lost_to_the_other() {
    let first = connector_refused().await;
    let second = connector().beside(&first).build().await;
    for turn in 0..20 {
        first.send(&format!("a{turn}")).await;
        seconds(1).await;
        second.send(&format!("b{turn}")).await;
        seconds(2).await;
    }
    let events = first.events_of(DEAD_LETTERED).await;
    let seconds: Vec<u64> = events
        .iter()
        .map(|event| {
            event.timestamp[14..16].parse::<u64>().unwrap() * 60
                + event.timestamp[17..19].parse::<u64>().unwrap()
        })
        .collect();
    assert!(
        seconds.windows(2).all(|pair| pair[1] - pair[0] >= 10),
        "{seconds:?}"
    );
    assert!(events.len() >= 5, "{seconds:?}");
    // 40 letters were stored within a minute; only those since each host's last event may not be reported yet.
    let told: u64 = counts(&first).await.iter().sum();
    assert!((27..=40).contains(&told), "{told} of 40: {events:?}");
}
