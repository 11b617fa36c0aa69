//! Where system errors go: to the local reporter, to a remote one, to the management application, or to the outbox.

use twin_contract::Cloud::{Aws, Gcp};

use crate::{
    crossing::reading,
    house::Host,
    peer::{FakePeer, answer, error},
    process::eventually,
    replies::text,
};

/// A connector for which every message becomes a letter at once.
fn unlucky(functions: &str) -> Host {
    let peer = FakePeer::start(|_| error(400));
    Host::of(Aws, functions).set("REMOTE_INGESTION_URL", &peer.url())
}

/// Waits for the error that a letter causes.
async fn reported(reporter: &Host) -> serde_json::Value {
    let look = async || {
        let errors = reporter.items("/errors").await;
        errors.first().cloned()
    };
    let error = eventually("the error is stored", look).await;
    assert_eq!(text(&error, "error_code"), "DELIVERY_DEAD_LETTERED");
    assert_eq!(text(&error, "component"), "L1-Connector");
    assert_eq!(text(&error, "cloud_provider"), "aws");
    assert!(text(&error, "message").contains("HTTP 400"), "{error}");
    assert!(text(&error, "raw_data").contains(r#""n":0"#), "{error}");
    error
}

async fn fail(host: &Host) {
    let reply = host.post("/telemetry", &reading(0)).await;
    reply.assert_status(202);
}

#[tokio::test]
async fn without_a_reporter_here_errors_go_to_the_one_elsewhere() {
    let reporter = Host::of(Gcp, "error-reporter").start().await;
    let host = unlucky("connector").next("ERROR_REPORTER", &reporter, "/errors");
    let host = host.start().await;
    fail(&host).await;
    reported(&reporter).await;
}

#[tokio::test]
async fn a_reporter_here_wins_over_the_one_elsewhere() {
    let elsewhere = FakePeer::start(|arrival| arrival.received());
    let host = unlucky("connector,error-reporter")
        .set("REMOTE_ERROR_REPORTER_URL", &elsewhere.url())
        .start()
        .await;
    fail(&host).await;
    reported(&host).await;
    assert!(elsewhere.arrivals().is_empty());
}

#[tokio::test]
async fn management_is_told_and_its_failure_harms_nobody() {
    for reply in [answer(204, "", b""), error(500)] {
        let management = FakePeer::start(move |_| reply.clone());
        let host = unlucky("connector,error-reporter")
            .set("MANAGEMENT_URL", &management.url())
            .set("REMOTE_MANAGEMENT_TOKEN", "key-of-management")
            .start()
            .await;
        fail(&host).await;
        let mut stored = reported(&host).await;
        let told = async || management.arrivals().first().cloned();
        let told = eventually("management is told", told).await;
        assert_eq!(
            told.header("authorization"),
            Some("Bearer key-of-management")
        );
        let fields = stored.as_object_mut().unwrap();
        fields.remove("stored_at");
        assert_eq!(
            fields.remove("id").unwrap(),
            told.header("idempotency-key").unwrap()
        );
        let told: serde_json::Value = serde_json::from_str(&told.body).unwrap();
        assert_eq!(told, stored);
    }
}

#[tokio::test]
async fn without_any_reporter_errors_wait_until_there_is_one() {
    let mut host = unlucky("connector").start().await;
    fail(&host).await;
    host.kill();
    let mut host = host.set("TWIN_FUNCTIONS", "connector,error-reporter");
    host.restart().await;
    let error = reported(&host).await;
    host.kill();
    host.restart().await;
    assert_eq!(host.items("/errors").await, [error], "it is reported once");
}
