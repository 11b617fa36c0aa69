//! What a function and its peers learn of a request's trace.

use std::sync::Mutex;

use opentelemetry_sdk::{error::OTelSdkResult, trace::Span as SdkSpan};

use twin_contract::{MessageTrace, digest};

use super::{
    tests::{KEY, ask, settings},
    *,
};
use crate::{
    scripted::{Scripted, response},
    telemetry::trace::{Sampler, SpanData, SpanProcessor},
};
use FunctionName::{Connector, Reader, Writer};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const READING: &[u8] = br#"{"deviceId":"d","time":1767225600,"n":1.50}"#;

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Kept {
    fn on_start(&self, _: &mut SdkSpan, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap().push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Answers with the `traceparent` that the function gets, and with that of its scope.
fn telling() -> Arc<Scripted> {
    let all = [Connector, Reader, Writer];
    Scripted::new(&all, |_, request| async move {
        let given = request.headers.into_iter();
        let given = given.filter_map(|(name, value)| (name == "traceparent").then_some(value));
        let given: Vec<_> = given.collect();
        let scope = trace::current().map(|scope| scope.context().parent.to_string());
        Ok(response(200, &format!("{given:?} {scope:?}")))
    })
}

fn with_tracer(kept: Option<&Kept>) -> (Dispatch, watch::Sender<bool>) {
    let (stop, stopped) = watch::channel(false);
    let mut settings = settings(Cloud::Aws);
    settings.tracer = kept.map(|kept| {
        let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
        Arc::new(Tracer::new(sampler, kept.clone()))
    });
    (Dispatch::new(telling(), settings, stopped), stop)
}

async fn told(dispatch: &Dispatch, target: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
    let headers: Vec<_> = [KEY].iter().chain(headers).copied().collect();
    ask(dispatch, target, &headers, body, None).await.2
}

#[tokio::test]
async fn without_a_tracer_only_a_valid_context_is_passed_on() {
    let (dispatch, _stop) = with_tracer(None);
    let valid = format!("[{PARENT:?}] Some({PARENT:?})");
    for (headers, expected) in [
        (&[][..], "[] None"),
        (&[("traceparent", PARENT)], valid.as_str()),
        (
            &[("traceparent", PARENT), ("traceparent", PARENT)],
            "[] None",
        ),
        (&[("traceparent", "00-x")], "[] None"),
    ] {
        let told = told(&dispatch, "POST /telemetry", headers, READING).await;
        assert_eq!(told, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn a_connector_gets_the_trace_of_the_request_and_the_same_one_for_a_repeated_reading() {
    let kept = Kept::default();
    let (dispatch, _stop) = with_tracer(Some(&kept));
    let derived = MessageTrace::of(READING, None, digest).unwrap().trace_id;
    let derived = derived.to_string();
    for (headers, trace) in [
        (&[("traceparent", PARENT)][..], TRACE),
        (&[], derived.as_str()),
        (&[("traceparent", "00-x")], derived.as_str()),
    ] {
        let told = told(&dispatch, "POST /telemetry", headers, READING).await;
        assert!(told.starts_with(&format!("[\"00-{trace}-")), "{told}");
        assert!(told.contains(&format!("Some(\"00-{trace}-")), "{told}");
        assert!(!told.contains("00f067aa0ba902b7"), "{told}");
    }
    let spans = kept.0.lock().unwrap();
    let names: Vec<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["call connector", "POST /telemetry"].repeat(3));
}

#[tokio::test]
async fn every_request_for_a_function_has_a_span_and_no_other_has() {
    let kept = Kept::default();
    let (dispatch, _stop) = with_tracer(Some(&kept));
    for (target, name) in [
        ("GET /read?device_id=secret", Some("GET /read")),
        ("GET /dead-letters/a-letter", Some("GET /dead-letters/{id}")),
        (
            "POST /dead-letters/replay",
            Some("POST /dead-letters/replay"),
        ),
        ("BREW /read", Some("_OTHER /read")),
        ("GET /healthz", None),
        ("GET /metrics", None),
        ("GET /unknown", None),
    ] {
        kept.0.lock().unwrap().clear();
        told(&dispatch, target, &[], b"").await;
        let spans = kept.0.lock().unwrap();
        let last = spans.last().map(|span| span.name.as_ref());
        assert_eq!(last, name, "{target}");
        assert!(!format!("{spans:?}").contains("secret"));
    }
    // Refused before a function is called.
    kept.0.lock().unwrap().clear();
    let gzip = [KEY, ("content-encoding", "gzip")];
    ask(&dispatch, "POST /write", &gzip, b"no gzip", None).await;
    let spans = kept.0.lock().unwrap();
    assert_eq!(spans.len(), 1);
}
