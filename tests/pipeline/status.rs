//! What a host says of itself, and what it does when it is asked too much.

use reqwest::Method;
use twin_contract::Cloud::{Aws, Gcp};

use crate::{
    crossing::reading,
    house::Host,
    peer::{FakePeer, Gate},
    process::{built, eventually},
};

#[tokio::test]
async fn liveness_and_readiness_need_no_key_and_metrics_do() {
    let host = Host::of(Gcp, "writer,reader").start().await;
    let bare = async |method, path| host.send(method, path, &[], "").await.unwrap();
    for path in ["/healthz", "/readyz"] {
        bare(Method::GET, path).await.assert_status(200);
        let head = bare(Method::HEAD, path).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
        let post = bare(Method::POST, path).await;
        assert_eq!(post.error_code(), "METHOD_NOT_ALLOWED");
        assert_eq!(post.header("allow"), Some("GET, HEAD"));
    }
    assert_eq!(
        bare(Method::GET, "/metrics").await.error_code(),
        "UNAUTHORIZED"
    );
    host.get("/read?device_id=d").await.assert_status(200);
    let metrics = host.get("/metrics").await;
    metrics.assert_status(200);
    let series = r#"twin_requests_total{cloud="gcp",function="reader",status="200"} 1"#;
    assert!(metrics.text.contains(series), "{}", metrics.text);
    assert!(
        metrics
            .text
            .contains("# TYPE twin_request_duration_seconds histogram")
    );
    assert!(
        !metrics.text.contains("device_id"),
        "no label comes from a request"
    );
}

#[tokio::test]
async fn a_host_whose_data_is_gone_is_alive_but_not_ready() {
    let host = Host::of(Aws, "writer").start().await;
    host.remove_data();
    let ready = host.get("/readyz").await;
    ready.assert_status(503);
    assert_eq!(ready.error_code(), "NOT_READY");
    assert!(ready.header("retry-after").is_some());
    host.get("/healthz").await.assert_status(200);
}

#[tokio::test]
async fn a_host_whose_function_cannot_answer_is_not_ready_and_names_it() {
    // The writer among these traps at whatever it is sent.
    let components = built("TWIN_TEST_COMPONENTS_DIR", "test-components");
    let host = Host::of(Aws, "writer")
        .set("TWIN_COMPONENTS_DIR", components.to_str().unwrap())
        .start()
        .await;
    let ready = eventually("it is not ready", async || {
        let lost = host.post("/write", "{}").await;
        assert_eq!((lost.status, lost.error_code()), (503, "INSTANCE_LOST".to_owned()));
        let ready = host.get("/readyz").await;
        (ready.status == 503).then_some(ready)
    })
    .await;
    assert_eq!(ready.error_code(), "NOT_READY");
    assert!(ready.field("message").contains("writer"), "{ready:?}");
    host.get("/healthz").await.assert_status(200);
    let metrics = host.get("/metrics").await.text;
    let lost = metrics.lines().find(|line| line.starts_with("twin_instances_lost_total{"));
    assert!(lost.is_some_and(|line| !line.ends_with(" 0")), "{metrics}");
}

#[tokio::test]
async fn calls_beyond_the_limit_are_turned_away_and_the_others_end_well() {
    const LIMIT: usize = 4;
    let gate = Gate::default();
    let peer = FakePeer::start({
        let gate = gate.clone();
        move |arrival| {
            gate.pass();
            arrival.received()
        }
    });
    let host = Host::of(Aws, "connector,reader")
        .set("REMOTE_INGESTION_URL", &peer.url())
        .set("MAX_CONCURRENT_CALLS", &LIMIT.to_string())
        // Whoever is let in waits for the peer, however slow this machine is.
        .set("FUNCTION_DEADLINE_MS", "600000")
        .set("ATTEMPT_TIMEOUT_MS", "600000")
        .start()
        .await;
    let readings: Vec<_> = (0..LIMIT).map(reading).collect();
    let senders = readings.iter().map(|body| host.post("/telemetry", body));
    let crowd = async {
        let full = async || (peer.arrivals().len() == LIMIT).then_some(());
        eventually("all calls are taken", full).await;
        let one_more = reading(LIMIT);
        let refused = host.post("/telemetry", &one_more).await;
        refused.assert_status(503);
        assert_eq!(refused.error_code(), "OVERLOADED");
        assert_eq!(refused.header("retry-after"), Some("1"));
        // The limit is each function's own.
        host.get("/read?device_id=d").await.assert_status(200);
        gate.open();
    };
    let (replies, ()) = futures_util::join!(futures_util::future::join_all(senders), crowd);
    for reply in replies {
        reply.assert_status(200);
    }
    let again = host.post("/telemetry", &reading(LIMIT)).await;
    again.assert_status(200);
    let metrics = host.get("/metrics").await.text;
    let series = r#"twin_overloads_total{cloud="aws",function="connector"} 1"#;
    assert!(metrics.contains(series), "{metrics}");
}
