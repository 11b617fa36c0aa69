//! The path of a message through three clouds in three processes, and through one process.

use reqwest::Method;
use serde_json::json;
use twin_contract::Cloud::{Aws, Azure, Gcp};

use crate::{house::Host, process::eventually};

/// The three clouds of the diagram in the README: L1 on AWS, L2 on Azure, L3 on GCP.
pub(crate) struct Clouds {
    pub(crate) aws: Host,
    pub(crate) azure: Host,
    pub(crate) gcp: Host,
}

impl Clouds {
    /// Runs them; `extra` is set in all three.
    pub(crate) async fn start(extra: &[(&str, &str)]) -> Self {
        let host = |cloud, functions| {
            let host = Host::of(cloud, functions);
            extra
                .iter()
                .fold(host, |host, (name, value)| host.set(name, value))
        };
        let gcp = host(Gcp, "writer,reader,error-reporter").start().await;
        let azure = host(Azure, "ingestion,connector,error-reporter")
            .next("WRITER", &gcp, "/write")
            .start()
            .await;
        let aws = host(Aws, "connector,error-reporter")
            .next("INGESTION", &azure, "/ingest")
            .start()
            .await;
        Self { aws, azure, gcp }
    }
}

/// The n-th reading of a device, with its own time.
pub(crate) fn reading(n: usize) -> String {
    let (minute, second) = (n / 60, n % 60);
    format!(r#"{{"device_id":"d","time":"2026-01-01T00:{minute:02}:{second:02}Z","n":{n}}}"#)
}

#[tokio::test]
async fn a_reading_crosses_three_clouds_and_is_read_as_it_was_sent() {
    let clouds = Clouds::start(&[]).await;
    // Digits and names that a parser would change.
    let reading = r#"{"iotDeviceId":"sensor-001","ts":1767225600,"t":25.40,"big":12345678901234567890.10,"x":"\u00e4"}"#;
    let (name, key) = clouds.aws.credential();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let headers = [(name, key.as_str()), ("traceparent", parent.as_str())];
    let sent = clouds
        .aws
        .send(Method::POST, "/telemetry", &headers, reading);
    let sent = sent.await.unwrap();
    sent.assert_status(200);
    assert_eq!(sent.field("status"), "received");

    // The device missed the reply, and sends it again.
    let again = clouds.aws.post("/telemetry", reading).await;
    assert_eq!(
        (again.status, again.field("id")),
        (200, sent.field("id")),
        "{again:?}"
    );

    let read = clouds.gcp.get("/read?device_id=sensor-001").await;
    read.assert_status(200);
    let page = read.json();
    assert_eq!(page["count"], 1);
    let item = &page["items"][0];
    assert_eq!(item["id"], sent.field("id"));
    assert_eq!(item["trace_id"], trace);
    assert_eq!(
        (&item["source_cloud"], &item["message_type"]),
        (&json!("azure"), &json!("telemetry"))
    );
    assert_eq!(item["timestamp"], "2026-01-01T00:00:00.000000Z");
    assert!(item["stored_at"].as_str().unwrap().ends_with('Z'));
    let verbatim = r#""payload":{"device_id":"sensor-001","t":25.40,"big":12345678901234567890.10,"x":"\u00e4"}"#;
    assert!(read.text.contains(verbatim), "{}", read.text);
}

#[tokio::test]
async fn envelopes_of_every_type_cross_and_keep_what_nobody_knows() {
    let clouds = Clouds::start(&[]).await;
    for (n, kind) in ["telemetry", "event", "command"].into_iter().enumerate() {
        let envelope = format!(
            r#"{{"source_cloud":"aws","target_layer":"L2","message_type":"{kind}","timestamp":"2026-01-01T00:00:0{n}.5Z","payload":{{"device_id":"{kind}","v":1.0}},"trace_id":"trace-{kind}","unknown":[1e2]}}"#
        );
        let sent = clouds.aws.post("/telemetry", &envelope).await;
        sent.assert_status(200);
        let read = clouds.gcp.get(&format!("/read?device_id={kind}")).await;
        let item = &read.json()["items"][0];
        assert_eq!(item["id"], sent.field("id"));
        assert_eq!(
            (&item["message_type"], &item["target_layer"]),
            (&json!(kind), &json!("L3"))
        );
        assert_eq!(item["trace_id"], format!("trace-{kind}"));
        for verbatim in [
            format!(r#""payload":{{"device_id":"{kind}","v":1.0}}"#),
            r#""unknown":[1e2]"#.to_owned(),
        ] {
            assert!(read.text.contains(&verbatim), "{}", read.text);
        }
    }
}

#[tokio::test]
async fn five_functions_in_one_process_need_no_network_between_them() {
    let all = "connector,ingestion,writer,reader,error-reporter";
    let host = Host::of(Azure, all)
        .set("ROUTE_PREFIX", "api/v1")
        .start()
        .await;
    // With the prefix, and without it, as behind a gateway that strips it.
    for (n, path) in ["/api/v1/telemetry", "/telemetry"].into_iter().enumerate() {
        host.post(path, &reading(n)).await.assert_status(200);
    }
    let read = host.items("/api/v1/read?device_id=d&order=asc").await;
    let order: Vec<_> = read.iter().map(|item| &item["payload"]["n"]).collect();
    assert_eq!(order, [0, 1]);
    host.get("/api/telemetry").await.assert_status(404);
}

#[tokio::test]
async fn a_sole_function_is_at_the_root_too() {
    let writer = Host::of(Aws, "writer").start().await;
    let envelope = r#"{"source_cloud":"gcp","target_layer":"L3","message_type":"event","timestamp":"2026-01-01T00:00:00Z","payload":{"device_id":"d"}}"#;
    let ids = [
        writer.post("/", envelope).await.field("id"),
        writer.post("/write", envelope).await.field("id"),
    ];
    assert_eq!(ids[0], ids[1]);
    let other = Host::of(Aws, "writer,reader").start().await;
    assert_eq!(other.post("/", envelope).await.error_code(), "NOT_FOUND");
}

#[tokio::test]
async fn a_short_time_is_enough_for_three_clouds() {
    let l3 = Host::of(Gcp, "writer,reader").start().await;
    let l2 = Host::of(Azure, "ingestion,connector")
        .set("FUNCTION_DEADLINE_MS", "1500")
        .next("WRITER", &l3, "/write")
        .start()
        .await;
    let l1 = Host::of(Aws, "connector")
        .set("ATTEMPT_TIMEOUT_MS", "2000")
        .next("INGESTION", &l2, "/ingest")
        .start()
        .await;
    // However slow this machine is, one of many messages arrives at once. Without time for an attempt, none would.
    let mut n = 0;
    eventually("a message arrives at once", async || {
        n += 1;
        let status = l1.post("/telemetry", &reading(n)).await.status;
        (status == 200).then_some(())
    })
    .await;
}
