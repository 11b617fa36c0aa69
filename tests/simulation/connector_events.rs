//! Connector: what it reports to the error topic (specification section 4, "Error Payload to Database").

use twin_contract::Cloud;
use twin_host::{
    bindings::error_topic::{Severity, SystemError},
    providers::memory::Capability,
};
use twin_tests::{
    KEY, READING, Stage, connector, envelope, error, failing, post, received, seconds, with_header,
    without_retries,
};

const DEAD_LETTERED: &str = "DELIVERY_DEAD_LETTERED";

/// A connector whose messages become letters at once.
async fn refused() -> Stage {
    let stage = connector().build().await;
    for peer in ["ingestion", "writer"] {
        stage.peers.answer(peer, |_, _| Ok(error(400)));
    }
    stage
}

/// How many letters each event stands for.
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
async fn a_letter_is_a_warning_with_exactly_the_specifications_fields() {
    let stage = refused().await;
    seconds(1).await;
    let body = envelope("L3");
    assert_eq!(stage.call(post("/telemetry", &body)).await.status, 202);
    assert_eq!(
        stage.events().await,
        [SystemError {
            twin_id: "test-twin".to_owned(),
            cloud_provider: "aws".to_owned(),
            severity: Severity::Warning,
            component: "L2-Connector".to_owned(),
            error_code: DEAD_LETTERED.to_owned(),
            message: "1 message for writer became a dead letter: HTTP 400".to_owned(),
            timestamp: "2026-01-01T00:00:01.000000Z".to_owned(),
            raw_data: Some(body),
        }]
    );
}

#[tokio::test(start_paused = true)]
async fn the_component_is_named_after_the_layer_it_stands_in_and_its_cloud() {
    for (body, component) in [
        (READING.to_owned(), "L1-Connector"),
        (envelope("L2"), "L1-Connector"),
        (envelope("L3"), "L2-Connector"),
    ] {
        let stage = connector().cloud(Cloud::Azure).build().await;
        for peer in ["ingestion", "writer"] {
            stage.peers.answer(peer, |_, _| Ok(error(400)));
        }
        let request = with_header(post("/telemetry", &body), "x-functions-key", KEY);
        assert_eq!(stage.call(request).await.status, 202);
        let events = stage.events().await;
        assert_eq!(events[0].component, component);
        assert_eq!(events[0].cloud_provider, "azure");
        let sent = stage.peers.arrivals()[0].body();
        assert_eq!(events[0].raw_data.as_deref(), Some(&*sent));
    }
}

#[tokio::test(start_paused = true)]
async fn raw_data_is_cut_at_64_kib_where_a_character_ends() {
    let stage = refused().await;
    for padding in ["", "x"] {
        let body = format!(
            r#"{{"device_id":"d1","s":"{padding}{}"}}"#,
            "é".repeat(50_000)
        );
        assert_eq!(stage.call(post("/telemetry", body)).await.status, 202);
        let events = stage.events().await;
        let raw_data = events.last().unwrap().raw_data.clone().unwrap();
        assert!(
            (65_535..=65_536).contains(&raw_data.len()),
            "{}",
            raw_data.len()
        );
        let sent = stage.peers.arrivals().pop().unwrap().body();
        assert!(sent.len() > 100_000 && sent.starts_with(&raw_data));
        seconds(10).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_event_in_10_seconds_says_how_many_letters_it_stands_for() {
    let stage = refused().await;
    for second in 0..=20 {
        stage.send_many(&format!("m{second}-"), 3).await;
        seconds(1).await;
    }
    assert_eq!(stage.letters().await.len(), 63);
    // At 0, 10 and 20 s; the two that came with the last are part of the next.
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
async fn two_hosts_report_in_turn_and_no_count_is_lost_to_the_other() {
    let first = refused().await;
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
    // In a minute 40 letters came; at most those since each host's last word are still to be told.
    let told: u64 = counts(&first).await.iter().sum();
    assert!((27..=40).contains(&told), "{told} of 40: {events:?}");
}

#[tokio::test(start_paused = true)]
async fn a_broken_topic_never_fails_the_data_path() {
    let stage = without_retries().build().await;
    stage.stores.fail(Capability::ErrorTopic, true);
    stage.peers.answer("ingestion", |_, _| failing());
    stage.fail_for_a_minute().await;
    assert_eq!(stage.letters().await.len(), 4);
    seconds(300).await;
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    assert_eq!(stage.send("m").await.status, 200);
    stage.stores.fail(Capability::ErrorTopic, false);
    assert_eq!(stage.event_codes().await, Vec::<String>::new());
}
