//! Connector: what it reports to the error topic (spec §4, "Error Payload to Database").

use twin_capabilities::error_topic::{Severity, SystemError};
use twin_contract::Cloud;
use twin_host::providers::memory::Capability;
use twin_tests::{
    KEY, READING, connector, connector_refused, envelope, error, failing, post, received, seconds,
    with_header, without_retries,
};

const DEAD_LETTERED: &str = "DELIVERY_DEAD_LETTERED";

#[tokio::test(start_paused = true)]
async fn a_letter_is_a_warning_with_exactly_the_specifications_fields() {
    let stage = connector_refused().await;
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
    let stage = connector_refused().await;
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
