//! A collector of traces: it takes what hosts export by OTLP over HTTP.

use std::{
    net::TcpListener,
    sync::{Arc, Mutex},
};

use hyper::{Request, StatusCode, body::Bytes};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message;

use super::{
    front::{bare, serve},
    house::Host,
    process::eventually,
};

/// The spans of a reading that crosses three clouds, as [`tree`] shows them: L1 on AWS, L2 on Azure, L3 on GCP, each over the local store.
pub const CROSSING: &[&str] = &[
    "factory-01-aws: POST /telemetry",
    "  factory-01-aws: call connector",
    "    factory-01-aws: circuits.load",
    "    factory-01-aws: POST ingestion",
    "      factory-01-azure: POST /ingest",
    "        factory-01-azure: call ingestion",
    "          factory-01-azure: POST connector",
    "            factory-01-azure: call connector",
    "              factory-01-azure: circuits.load",
    "              factory-01-azure: POST writer",
    "                factory-01-gcp: POST /write",
    "                  factory-01-gcp: call writer",
    "                    factory-01-gcp: records.put",
];

/// A collector, which takes everything until the test ends.
#[derive(Debug)]
pub struct Collector {
    url: String,
    exports: Arc<Mutex<Vec<Request<Bytes>>>>,
}

/// A span, with the name of the host that recorded it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Its `service.name`.
    pub host: String,
    /// What it recorded.
    pub span: Span,
}

impl Collector {
    /// Starts it, in this runtime.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}/some/path", listener.local_addr().unwrap());
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let exports = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&exports);
        tokio::spawn(serve(listener, move |request| {
            taken.lock().unwrap().push(request);
            std::future::ready(bare(StatusCode::OK))
        }));
        Self { url, exports }
    }

    /// The variables that make hosts send their spans here at once.
    pub fn vars(&self) -> [(&'static str, String); 3] {
        [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", self.url.clone()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-collector=a%20key".into()),
            ("OTEL_BSP_SCHEDULE_DELAY", "20".into()),
        ]
    }

    /// A host that sends its spans here.
    pub fn recording(&self, host: Host) -> Host {
        let vars = self.vars();
        vars.iter()
            .fold(host, |host, (name, value)| host.set(name, value))
    }

    /// All spans that have arrived, by the time when they began.
    fn spans(&self) -> Vec<Recorded> {
        let mut spans = Vec::new();
        for export in &*self.exports.lock().unwrap() {
            let header = |name| export.headers().get(name).map(|value| value.as_bytes());
            let form = Some(&b"application/x-protobuf"[..]);
            assert_eq!(header("content-type"), form);
            assert_eq!(header("x-collector"), Some(&b"a key"[..]));
            let sent = ExportTraceServiceRequest::decode(&export.body()[..]).unwrap();
            for resource in sent.resource_spans {
                let host = resource.resource.unwrap().attributes;
                let host = attribute(&host, "service.name").unwrap();
                let all = resource.scope_spans.into_iter();
                spans.extend(all.flat_map(|scope| scope.spans).map(|span| Recorded {
                    host: host.clone(),
                    span,
                }));
            }
        }
        spans.sort_by_key(|recorded| recorded.span.start_time_unix_nano);
        spans
    }

    /// The spans of a trace, once one with the name `last` has arrived, and the parents of all of them. `caller` is the span of a
    /// caller that records nothing.
    pub async fn trace(&self, trace: &str, caller: &str, last: &str) -> Vec<Recorded> {
        eventually(last, async || {
            let mut spans = self.spans();
            spans.retain(|recorded| hex(&recorded.span.trace_id) == trace);
            let complete = spans.iter().any(|recorded| recorded.span.name == last)
                && spans.iter().all(|recorded| {
                    let parent = &recorded.span.parent_span_id;
                    parent.is_empty()
                        || hex(parent) == caller
                        || spans.iter().any(|other| other.span.span_id == *parent)
                });
            complete.then_some(spans)
        })
        .await
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text or number in an attribute; `None` if there is no such attribute.
///
/// # Panics
/// If it is of another type.
pub fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let mut attributes = attributes.iter();
    let found = attributes.find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{name}: {other:?}"),
    }
}

/// The tree of these spans as lines, indented; `root` is the parent of the first, or empty.
pub fn tree(spans: &[Recorded], root: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for recorded in spans {
        let span = &recorded.span;
        if hex(&span.parent_span_id) == root {
            lines.push(format!("{}: {}", recorded.host, span.name));
            let below = tree(spans, &hex(&span.span_id));
            lines.extend(below.into_iter().map(|line| format!("  {line}")));
        }
    }
    lines
}
