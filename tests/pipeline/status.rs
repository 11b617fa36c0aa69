//! What a host reports about itself, and what it does when it is overloaded.

use reqwest::Method;
use twin_contract::Cloud::{Aws, Gcp};
use twin_host::telemetry::metrics::{Kind, METRICS};

use crate::{
    crossing::reading,
    house::Host,
    peer::{FakePeer, Gate, error},
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
    // The writer in this folder traps on every route of a writer.
    let components = built("TWIN_TEST_COMPONENTS_DIR", "test-components");
    let host = Host::of(Aws, "writer")
        .set("TWIN_COMPONENTS_DIR", components.to_str().unwrap())
        .start()
        .await;
    let ready = eventually("it is not ready", async || {
        let lost = host.post("/write", "{}").await;
        assert_eq!(
            (lost.status, lost.error_code()),
            (503, "INSTANCE_LOST".to_owned())
        );
        let ready = host.get("/readyz").await;
        (ready.status == 503).then_some(ready)
    })
    .await;
    assert_eq!(ready.error_code(), "NOT_READY");
    assert!(ready.field("message").contains("writer"), "{ready:?}");
    host.get("/healthz").await.assert_status(200);
    let metrics = host.get("/metrics").await.text;
    let lost = metrics
        .lines()
        .find(|line| line.starts_with("twin_instances_lost_total{"));
    assert!(lost.is_some_and(|line| !line.ends_with(" 0")), "{metrics}");
}

/// The names of a series' labels, except those that every Prometheus histogram has.
fn labels(series: &str) -> Vec<&str> {
    let labels = series.split_once('{').map_or("", |(_, labels)| labels);
    let pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, _)| name)
        .filter(|name| *name != "le")
        .collect()
}

#[tokio::test]
async fn all_metrics_are_those_of_the_table_and_show_what_the_host_holds() {
    let down = FakePeer::start(|_| error(503));
    let host = Host::of(Aws, "connector,writer,reader")
        .set("REMOTE_INGESTION_URL", &down.url())
        .start()
        .await;
    host.post("/telemetry", &reading(0))
        .await
        .assert_status(202);
    let metrics = host.get("/metrics").await;
    metrics.assert_status(200);
    let series = metrics
        .text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    for series in series {
        let metric = METRICS.iter().find(|metric| {
            let name = series.split(['{', ' ']).next().unwrap();
            let rest = name.strip_prefix(metric.name);
            match metric.kind {
                Kind::Histogram => {
                    rest.is_some_and(|part| ["_bucket", "_sum", "_count"].contains(&part))
                }
                Kind::Counter | Kind::Gauge => rest == Some(""),
            }
        });
        let metric = metric.unwrap_or_else(|| panic!("not in the table: {series}"));
        assert_eq!(labels(series), metric.labels, "{series}");
    }
    for series in [
        r#"twin_dead_letters{cloud="aws"} 1"#,
        r#"twin_circuit_state{cloud="aws",peer="ingestion"} 0"#,
        r#"twin_outbox_events{cloud="aws"} 1"#,
        r#"twin_store_up{cloud="aws"} 1"#,
        r#"twin_queue_depth{cloud="aws",function="connector"} 0"#,
        r#"twin_instances_lost_total{function="connector"} 0"#,
        "twin_store_commit_duration_seconds_count",
        "twin_panics_total 0",
        "twin_log_lines_dropped_total 0",
    ] {
        assert!(metrics.text.contains(series), "{series}: {}", metrics.text);
    }
    let free = metrics
        .text
        .lines()
        .find_map(|line| line.strip_prefix(r#"twin_data_disk_free_bytes{cloud="aws"} "#));
    assert!(free.unwrap().parse::<f64>().unwrap() > 0.0);
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
        // A call that is accepted waits for the peer, however slow this machine is.
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
        // This makes a load balancer send calls elsewhere.
        let ready = host.get("/readyz").await;
        assert_eq!(
            (ready.status, ready.error_code()),
            (503, "NOT_READY".to_owned())
        );
        let why = ready.field("message");
        assert!(why.contains("connector is at its limit"), "{why}");
        // Each function has its own limit.
        host.get("/read?device_id=d").await.assert_status(200);
        gate.open();
    };
    let (replies, ()) = futures_util::join!(futures_util::future::join_all(senders), crowd);
    for reply in replies {
        reply.assert_status(200);
    }
    let again = host.post("/telemetry", &reading(LIMIT)).await;
    again.assert_status(200);
    host.get("/readyz").await.assert_status(200);
    let metrics = host.get("/metrics").await.text;
    let series = r#"twin_overloads_total{cloud="aws",function="connector"} 1"#;
    assert!(metrics.contains(series), "{metrics}");
}
