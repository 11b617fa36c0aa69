//! SIGTERM: waiting deliveries become dead letters, calls in progress end, and a successor may use the same data.

use std::time::{Duration, Instant};

use twin_contract::Cloud::Aws;

use crate::{
    crossing::reading,
    house::Host,
    peer::{FakePeer, Gate, error},
    process::eventually,
};

/// Waits until a peer has received this many requests.
async fn arrived(peer: &FakePeer, count: usize) {
    let all = async || (peer.arrivals().len() == count).then_some(());
    eventually("the peer has all requests", all).await;
}

#[tokio::test]
async fn deliveries_that_wait_become_letters_at_once() {
    let peer = FakePeer::start(|_| error(503));
    let mut host = Host::of(Aws, "connector")
        .set("REMOTE_INGESTION_URL", &peer.url())
        // Without SIGTERM each would wait for a minute.
        .set("RETRY_INITIAL_MS", "60000")
        .set("FUNCTION_DEADLINE_MS", "600000")
        .set("DRAIN_TIMEOUT_MS", "600000")
        .start()
        .await;
    let readings = [reading(0), reading(1), reading(2)];
    let senders = readings.iter().map(|body| host.post("/telemetry", body));
    let stopping = async {
        arrived(&peer, readings.len()).await;
        host.terminate();
        Instant::now()
    };
    let (replies, told) = futures_util::join!(futures_util::future::join_all(senders), stopping);
    for reply in replies {
        reply.assert_status(202);
        assert_eq!(reply.field("status"), "dead-lettered");
    }
    assert_eq!(host.exit().code(), Some(0));
    assert!(told.elapsed() < Duration::from_secs(30), "it waited");
    assert_eq!(peer.arrivals().len(), readings.len(), "nothing was retried");

    host.restart().await;
    let letters = host.items("/dead-letters").await;
    assert_eq!(letters.len(), readings.len());
    for letter in letters {
        let attempts = letter["attempts"].as_array().unwrap();
        let causes: Vec<_> = attempts.iter().map(|attempt| &attempt["cause"]).collect();
        assert_eq!(causes, ["HTTP 503", "host draining"]);
    }
}

#[tokio::test]
async fn a_successor_works_on_the_data_while_its_predecessor_drains() {
    let gate = Gate::default();
    let peer = FakePeer::start({
        let gate = gate.clone();
        move |arrival| {
            if arrival.body.contains(r#""n":0"#) {
                gate.pass();
            }
            arrival.received()
        }
    });
    let mut old = Host::of(Aws, "connector,writer,reader")
        .set("REMOTE_INGESTION_URL", &peer.url())
        .set("DRAIN_TIMEOUT_MS", "600000")
        .start()
        .await;
    let slow = reading(0);
    let succeeding = async {
        arrived(&peer, 1).await;
        old.terminate();
        let new = old.beside().start().await;
        let envelope = r#"{"source_cloud":"gcp","target_layer":"L3","message_type":"event","timestamp":"2026-01-01T00:00:00Z","payload":{"device_id":"d"}}"#;
        new.post("/write", envelope).await.assert_status(200);
        new.post("/telemetry", &reading(1)).await.assert_status(200);
        assert_eq!(new.items("/read?device_id=d").await.len(), 1);
        gate.open();
        new
    };
    let (under_way, _new) = futures_util::join!(old.post("/telemetry", &slow), succeeding);
    under_way.assert_status(200);
    assert_eq!(old.exit().code(), Some(0));
}

#[tokio::test]
async fn attempts_under_way_become_letters_before_the_host_ends() {
    const SENDERS: usize = 50;
    let gate = Gate::default();
    let peer = FakePeer::start({
        let gate = gate.clone();
        move |arrival| {
            gate.pass();
            arrival.received()
        }
    });
    let mut host = Host::of(Aws, "connector,ingestion")
        .set("REMOTE_INGESTION_URL", &peer.url())
        .set("REMOTE_WRITER_URL", &peer.url())
        .set("ATTEMPT_TIMEOUT_MS", "600000")
        .set("FUNCTION_DEADLINE_MS", "600000")
        .set("DRAIN_TIMEOUT_MS", "6000")
        .start()
        .await;
    let readings: Vec<_> = (0..SENDERS).map(reading).collect();
    let envelope = r#"{"source_cloud":"gcp","target_layer":"L2","message_type":"event","timestamp":"2026-01-01T00:00:00Z","payload":{"device_id":"d"}}"#;
    // One of them through another function of the same host.
    let senders = readings
        .iter()
        .map(|body| host.post("/telemetry", body))
        .chain([host.post("/ingest", envelope)]);
    let stopping = async {
        arrived(&peer, readings.len() + 1).await;
        host.terminate();
    };
    let (replies, ()) = futures_util::join!(futures_util::future::join_all(senders), stopping);
    for reply in replies {
        reply.assert_status(202);
        assert_eq!(reply.field("status"), "dead-lettered");
    }
    assert_eq!(host.exit().code(), Some(0));
    host.restart().await;
    assert_eq!(host.items("/dead-letters").await.len(), readings.len() + 1);
    gate.open();
}

#[tokio::test]
async fn a_terminal_that_goes_away_takes_no_host_along() {
    let mut host = Host::of(Aws, "writer,reader").start().await;
    host.hang_up();
    // A signal that kills the host would have done so before this request is answered.
    assert!(host.items("/read?device_id=d").await.is_empty());
    host.terminate();
    assert_eq!(host.exit().code(), Some(0));
}
