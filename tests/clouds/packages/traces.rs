//! A trace over the functions of three clouds, as a collector gets it.

use reqwest::Method;
use twin_contract::Cloud::{self, Aws, Azure, Gcp};
use twin_tests::hosts::{
    collector::{CROSSING, Collector, tree},
    house::Host,
};

use super::packaged;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const DEVICE: &str = "b7ad6b7169203331";

#[tokio::test]
async fn one_reading_is_one_trace_over_lambda_azure_functions_and_cloud_run() {
    let collector = Collector::start();
    let host = |cloud: Cloud, functions: &str| -> Option<Host> {
        let host = packaged(cloud)?.set("TWIN_FUNCTIONS", functions);
        Some(collector.recording(host))
    };
    let (Some(l1), Some(l2), Some(l3)) = (
        host(Aws, "connector"),
        host(Azure, "ingestion,connector"),
        host(Gcp, "writer,reader"),
    ) else {
        return;
    };
    let l3 = l3.start().await;
    let l2 = l2.next("WRITER", &l3, "/write").start().await;
    let l1 = l1.next("INGESTION", &l2, "/ingest").start().await;

    let (name, key) = l1.credential();
    let parent = format!("00-{TRACE}-{DEVICE}-01");
    let headers = [
        (name, key.as_str()),
        ("traceparent", &parent),
        ("tracestate", "congo=t61rcWkgMzE"),
    ];
    let reading = r#"{"device_id":"d","time":"2026-01-01T00:00:01Z","n":1}"#;
    let sent = l1.send(Method::POST, "/telemetry", &headers, reading).await;
    sent.expect("a reply").assert_status(200);

    let spans = collector.trace(TRACE, DEVICE, "records.put").await;
    assert_eq!(tree(&spans, DEVICE), CROSSING);
    for recorded in &spans {
        assert_eq!(recorded.span.trace_state, "congo=t61rcWkgMzE");
    }
    let read = l3.get("/read?device_id=d").await;
    assert_eq!(read.json()["items"][0]["trace_id"], TRACE);
}
