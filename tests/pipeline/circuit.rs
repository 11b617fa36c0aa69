//! The circuit breaker between processes: it opens while L3 is down, and nothing is lost or stored twice.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use twin_contract::Cloud::Aws;

use crate::{
    crossing::{Clouds, reading},
    house::Host,
    peer::{FakePeer, error},
    process::eventually,
    replies::text,
};

/// Sends readings until one has the expected outcome. Returns how many were sent.
async fn send_until(host: &Host, sent: &mut usize, mut seen: impl AsyncFnMut(u16) -> bool) {
    eventually("a reading brings it about", async || {
        let reply = host.post("/telemetry", &reading(*sent)).await;
        *sent += 1;
        seen(reply.status).await.then_some(())
    })
    .await;
}

/// Whether a host's error reporter has stored an error with this code.
async fn reported(host: &Host, code: &str) -> bool {
    let codes = host.texts("/errors", "error_code").await;
    codes.iter().any(|reported| reported == code)
}

#[tokio::test]
async fn a_dead_l3_opens_the_circuit_and_a_probe_closes_it() {
    let extra = [
        ("CIRCUIT_FAILING_SECONDS", "1"),
        ("CIRCUIT_OPEN_SECONDS", "1"),
        ("RETRY_MAX", "1"),
    ];
    let mut clouds = Clouds::start(&extra).await;
    let mut sent = 0;
    clouds.gcp.kill();
    send_until(&clouds.aws, &mut sent, async |status| {
        assert_eq!(status, 202);
        reported(&clouds.azure, "CIRCUIT_OPENED").await
    })
    .await;
    send_until(&clouds.aws, &mut sent, async |status| {
        assert_eq!(status, 202);
        let letters = clouds.azure.items("/dead-letters").await;
        letters.iter().any(|letter| {
            let attempts = letter["attempts"].as_array().unwrap();
            attempts.len() == 1 && attempts[0]["cause"] == "circuit open"
        })
    })
    .await;

    clouds.gcp.restart().await;
    send_until(&clouds.aws, &mut sent, async |status| status == 200).await;
    for code in ["CIRCUIT_CLOSED", "DELIVERY_DEAD_LETTERED"] {
        let told = async || reported(&clouds.azure, code).await.then_some(());
        eventually("both are reported", told).await;
    }
    let errors = clouds.azure.items("/errors?order=asc").await;
    let codes: Vec<_> = errors
        .iter()
        .map(|error| text(error, "error_code"))
        .collect();
    let once = |code: &str| codes.iter().filter(|other| *other == code).count();
    assert_eq!(once("CIRCUIT_CLOSED"), 1, "{codes:?}");
    for error in &errors {
        assert_eq!(text(error, "component"), "L2-Connector");
        assert_eq!(text(error, "cloud_provider"), "azure");
        assert_eq!(text(error, "twin_id"), "factory-01");
    }
    let aws = clouds.aws.items("/dead-letters").await;
    assert!(aws.is_empty(), "a 202 from L2 is no failure to L1: {aws:?}");

    let letters = clouds.azure.items("/dead-letters").await.len();
    let report = clouds.azure.post("/dead-letters/replay", "").await.json();
    assert_eq!(report["replayed"], letters, "{report}");
    let stored = clouds.gcp.items("/read?device_id=d").await;
    assert_eq!(stored.len(), sent);
    assert!(clouds.azure.items("/dead-letters").await.is_empty());
}

#[tokio::test]
async fn an_open_circuit_outlives_a_kill_and_sends_nothing() {
    let broken = Arc::new(AtomicBool::new(true));
    let peer = FakePeer::start({
        let broken = Arc::clone(&broken);
        move |arrival| match broken.load(Relaxed) {
            true => error(500),
            false => arrival.received(),
        }
    });
    let mut host = Host::of(Aws, "connector,error-reporter")
        .set("REMOTE_INGESTION_URL", &peer.url())
        .set("CIRCUIT_FAILING_SECONDS", "1")
        .set("CIRCUIT_OPEN_SECONDS", "3600")
        .set("RETRY_MAX", "0")
        .start()
        .await;
    let mut sent = 0;
    send_until(&host, &mut sent, async |_| {
        reported(&host, "CIRCUIT_OPENED").await
    })
    .await;
    // Each instance reads the shared state once a second; after a kill, all of them read it first.
    let attempts = peer.arrivals().len();
    broken.store(false, Relaxed);
    for life in 0..2 {
        host.kill();
        host.restart().await;
        for _ in 0..5 {
            let reply = host.post("/telemetry", &reading(sent)).await;
            reply.assert_status(202);
            sent += 1;
        }
        assert_eq!(peer.arrivals().len(), attempts, "life {life}");
    }
    let report = host.post("/dead-letters/replay", "").await.json();
    assert_eq!(
        report["replayed"], sent,
        "a command does not ask the circuit"
    );
    // … but closes it. The other instances see this within a second.
    send_until(&host, &mut sent, async |status| status == 200).await;
}
