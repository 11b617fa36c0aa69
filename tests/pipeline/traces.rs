//! Traces of real hosts, as a collector gets them and as peers see them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Barrier},
};

use futures_util::future::join_all;
use opentelemetry_proto::tonic::trace::v1::Span;
use reqwest::Method;
use twin_contract::{
    Cloud::{Aws, Azure, Gcp},
    TraceParent,
};
use twin_tests::hosts::collector::{CROSSING, Collector, Recorded, attribute, tree};

use crate::{
    crossing::{Clouds, reading},
    house::Host,
    peer::FakePeer,
    process::eventually,
    replies::Reply,
};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const DEVICE: &str = "b7ad6b7169203331";

fn named<'a>(spans: &'a [Recorded], host: &str, name: &str) -> &'a Span {
    let mut spans = spans.iter();
    let found = spans.find(|span| span.host == host && span.span.name == name);
    &found.unwrap_or_else(|| panic!("no {name} of {host}")).span
}

async fn clouds(collector: &Collector) -> Clouds {
    let vars = collector.vars();
    let vars = vars.each_ref().map(|(name, value)| (*name, value.as_str()));
    Clouds::start(&vars).await
}

/// Posts with the key of the host, and with these headers.
async fn post(host: &Host, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let (name, key) = host.credential();
    let keyed = [(name, key.as_str())];
    let headers: Vec<_> = keyed.iter().chain(headers).copied().collect();
    let reply = host.send(Method::POST, path, &headers, body).await;
    reply.expect("a reply")
}

#[tokio::test]
async fn one_reading_is_one_trace_over_three_clouds() {
    let collector = Collector::start();
    let clouds = clouds(&collector).await;
    let parent = format!("00-{TRACE}-{DEVICE}-01");
    let headers = [
        ("traceparent", parent.as_str()),
        ("tracestate", "congo=t61rcWkgMzE"),
    ];
    let sent = post(&clouds.aws, "/telemetry", &headers, &reading(1)).await;
    sent.assert_status(200);

    let spans = collector.trace(TRACE, DEVICE, "records.put").await;
    assert_eq!(tree(&spans, DEVICE), CROSSING);
    for recorded in &spans {
        assert_eq!(recorded.span.trace_state, "congo=t61rcWkgMzE");
    }
    let request = named(&spans, "factory-01-aws", "POST /telemetry");
    let attributes = |span: &Span, names: &[&str]| -> Vec<_> {
        let names = names.iter();
        names
            .map(|name| attribute(&span.attributes, name).unwrap())
            .collect()
    };
    assert_eq!(
        attributes(
            request,
            &[
                "http.request.method",
                "http.route",
                "http.response.status_code"
            ]
        ),
        ["POST", "/telemetry", "200"]
    );
    let attempt = named(&spans, "factory-01-aws", "POST ingestion");
    let port = clouds.azure.port.to_string();
    assert_eq!(
        attributes(attempt, &["server.address", "server.port", "twin.peer"]),
        ["127.0.0.1", port.as_str(), "ingestion"]
    );
    let stored = named(&spans, "factory-01-gcp", "records.put");
    assert_eq!(attributes(stored, &["db.system.name"]), ["sqlite"]);
    let all = format!("{spans:?}");
    for secret in [&clouds.aws.key, &clouds.gcp.key, "device_id"] {
        assert!(!all.contains(secret), "{secret}");
    }
    let read = clouds.gcp.get("/read?device_id=d").await;
    assert_eq!(read.json()["items"][0]["trace_id"], TRACE);
}

#[tokio::test]
async fn a_reading_without_a_traceparent_is_in_the_trace_of_its_envelope_each_time_it_is_sent() {
    let collector = Collector::start();
    let clouds = clouds(&collector).await;
    for _ in 0..2 {
        let sent = clouds.aws.post("/telemetry", &reading(1)).await;
        sent.assert_status(200);
    }
    let untimed = clouds.aws.post("/telemetry", r#"{"device_id":"u","n":1}"#);
    untimed.await.assert_status(200);
    for (device, times) in [("d", 2), ("u", 1)] {
        let read = clouds.gcp.get(&format!("/read?device_id={device}")).await;
        let items = read.json()["items"].as_array().unwrap().clone();
        assert_eq!(items.len(), 1);
        let trace = items[0]["trace_id"].as_str().unwrap();
        eventually("the spans of the trace", async || {
            let spans = collector.trace(trace, DEVICE, "records.put").await;
            let roots = tree(&spans, "");
            let requests = roots
                .iter()
                .filter(|line| line.ends_with("POST /telemetry"));
            let stored = roots.iter().filter(|line| line.ends_with("records.put"));
            (requests.count() == times && stored.count() == times).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn a_host_that_records_nothing_passes_the_trace_on() {
    let collector = Collector::start();
    let recording = |host| collector.recording(host);
    let gcp = recording(Host::of(Gcp, "writer")).start().await;
    let azure = Host::of(Azure, "ingestion")
        .next("WRITER", &gcp, "/write")
        .start()
        .await;
    let aws = recording(Host::of(Aws, "connector"))
        .next("INGESTION", &azure, "/ingest")
        .start()
        .await;
    let parent = format!("00-{TRACE}-{DEVICE}-01");
    let headers = [("traceparent", parent.as_str())];
    let sent = post(&aws, "/telemetry", &headers, &reading(1)).await;
    sent.assert_status(200);
    let spans = collector.trace(TRACE, DEVICE, "records.put").await;
    assert_eq!(
        tree(&spans, DEVICE),
        [
            "factory-01-aws: POST /telemetry",
            "  factory-01-aws: call connector",
            "    factory-01-aws: circuits.load",
            "    factory-01-aws: POST ingestion",
            "      factory-01-gcp: POST /write",
            "        factory-01-gcp: call writer",
            "          factory-01-gcp: records.put",
        ]
    );
}

#[tokio::test]
async fn a_letter_that_is_sent_again_stays_in_its_trace() {
    let collector = Collector::start();
    let host = |cloud, functions| collector.recording(Host::of(cloud, functions));
    let gcp = host(Gcp, "writer");
    let azure = host(Azure, "connector")
        .next("WRITER", &gcp, "/write")
        .set("RETRY_MAX", "1")
        .start()
        .await;
    let envelope = r#"{"source_cloud":"aws","target_layer":"L3","message_type":"telemetry","timestamp":"2026-01-01T00:00:00Z","payload":{"device_id":"d"},"trace_id":"abc-123-xyz"}"#;
    azure.post("/telemetry", envelope).await.assert_status(202);
    let gcp = gcp.start().await;
    let parent = format!("00-{TRACE}-{DEVICE}-01");
    let headers = [("traceparent", parent.as_str())];
    let replayed = post(&azure, "/dead-letters/replay", &headers, "{}").await;
    assert_eq!(replayed.json()["replayed"], 1);

    // sha256sum of the envelope's trace
    let trace = &twin_contract::digest(b"abc-123-xyz")[..32];
    let spans = collector.trace(trace, DEVICE, "records.put").await;
    let lines = tree(&spans, "");
    assert_eq!(
        lines
            .iter()
            .filter(|line| !line.contains("circuits"))
            .collect::<Vec<_>>(),
        [
            "factory-01-azure: POST /telemetry",
            "  factory-01-azure: call connector",
            "    factory-01-azure: POST writer",
            "    factory-01-azure: POST writer",
            "    factory-01-azure: dead_letters.push",
            "    factory-01-azure: error_topic.publish",
            "factory-01-azure: POST writer",
            "  factory-01-gcp: POST /write",
            "    factory-01-gcp: call writer",
            "      factory-01-gcp: records.put",
        ]
    );
    let attempts = spans.iter().filter(|span| span.span.name == "POST writer");
    let attempts: Vec<_> = attempts
        .map(|span| {
            let of = |name| attribute(&span.span.attributes, name);
            (
                of("http.request.resend_count"),
                of("error.type"),
                span.span.links.len(),
            )
        })
        .collect();
    let unreachable = || Some("unreachable".to_owned());
    assert_eq!(
        attempts,
        [
            (None, unreachable(), 0),
            (Some("1".into()), unreachable(), 0),
            (None, None, 1)
        ]
    );
    let request = named(&spans, "factory-01-azure", "POST /telemetry");
    assert_eq!(
        attribute(&request.attributes, "twin.trace_id").as_deref(),
        Some("abc-123-xyz")
    );
    let command = collector
        .trace(TRACE, DEVICE, "POST /dead-letters/replay")
        .await;
    assert!(command.iter().all(|span| span.host == "factory-01-azure"));
    drop(gcp);
}

#[tokio::test]
async fn without_a_collector_a_callers_headers_are_passed_on_unchanged_and_no_others_are_sent() {
    let peer = FakePeer::start(|arrival| arrival.received());
    let host = Host::of(Aws, "connector")
        .set("REMOTE_INGESTION_URL", &peer.url())
        .start()
        .await;
    let parent = format!("00-{TRACE}-{DEVICE}-01");
    for (given, passed_on) in [
        (&[][..], (None, None)),
        (
            &[("traceparent", parent.as_str()), ("tracestate", "a=1")],
            (Some(parent.as_str()), Some("a=1")),
        ),
        (
            &[("traceparent", "00-1-2-3"), ("tracestate", "a=1")],
            (None, None),
        ),
        (
            &[("traceparent", &parent), ("tracestate", "A=1")],
            (Some(&parent), None),
        ),
    ] {
        let sent = post(&host, "/telemetry", given, &reading(1)).await;
        sent.assert_status(200);
        let arrived = peer.arrivals().pop().unwrap();
        let seen = (arrived.header("traceparent"), arrived.header("tracestate"));
        assert_eq!(seen, passed_on, "{given:?}");
    }
}

/// Many calls run in one instance at once, and none of them is told apart by what the component sends.
#[tokio::test]
async fn each_of_many_calls_in_one_instance_sends_its_own_trace() {
    const CALLS: usize = 24;
    let together = Arc::new(Barrier::new(CALLS));
    let peer = FakePeer::start(move |arrival| {
        together.wait();
        arrival.received()
    });
    for collector in [None, Some(Collector::start())] {
        let mut host = Host::of(Aws, "connector")
            .set("REMOTE_INGESTION_URL", &peer.url())
            .set("TWIN_LANES", "1");
        if let Some(collector) = &collector {
            host = collector.recording(host);
        }
        let host = host.start().await;
        let before = peer.arrivals().len();
        let host = &host;
        join_all((1..=CALLS).map(|n| async move {
            let parent = format!("00-{n:032x}-{DEVICE}-01");
            let headers = [("traceparent", parent.as_str())];
            let sent = post(host, "/telemetry", &headers, &reading(n)).await;
            sent.assert_status(200);
        }))
        .await;
        let mut seen = BTreeMap::new();
        for arrival in &peer.arrivals()[before..] {
            let parent = TraceParent::parse(arrival.header("traceparent").unwrap()).unwrap();
            let trace = parent.trace_id.to_string();
            assert!(arrival.body.contains(&trace), "{trace}: {}", arrival.body);
            seen.insert(trace, parent.span_id);
        }
        assert_eq!(seen.len(), CALLS);
    }
}

#[tokio::test]
async fn log_lines_name_the_trace_as_each_cloud_does() {
    let parent = format!("00-{TRACE}-{DEVICE}-01");
    for (cloud, named) in [
        (Aws, format!(r#""trace_id":"{TRACE}","span_id":"{DEVICE}""#)),
        (
            Gcp,
            format!(
                r#""trace_id":"{TRACE}","logging.googleapis.com/spanId":"{DEVICE}","logging.googleapis.com/trace_sampled":true"#
            ),
        ),
    ] {
        let away = Host::of(Azure, "ingestion");
        let host = Host::of(cloud, "connector")
            .next("INGESTION", &away, "/ingest")
            .set("RETRY_MAX", "0")
            .start()
            .await;
        let headers = [("traceparent", parent.as_str())];
        let sent = post(&host, "/telemetry", &headers, &reading(1)).await;
        sent.assert_status(202);
        let line = eventually("the line", async || {
            let logs = host.logs();
            let mut lines = logs.lines();
            lines
                .find(|line| line.contains("became a dead letter"))
                .map(str::to_owned)
        })
        .await;
        assert!(line.contains(&named), "{line}");
        assert_eq!(
            line.contains(r#""severity":"WARNING""#),
            cloud == Gcp,
            "{line}"
        );
    }
}
