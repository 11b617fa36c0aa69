//! Spans as a processor gets them, and the context that crosses between processes.

use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, HeaderValue};
use opentelemetry::{Context as Parents, Value, trace::Status};
use opentelemetry_sdk::{error::OTelSdkResult, trace::Span as SdkSpan};
use twin_contract::TraceId;

use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// Keeps what has ended.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Kept {
    fn on_start(&self, _: &mut SdkSpan, _: &Parents) {}

    fn on_end(&self, span: SpanData) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: std::time::Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Kept {
    fn tracer(sampler: Sampler) -> (Arc<Tracer>, Self) {
        let kept = Self::default();
        (Arc::new(Tracer::new(sampler, kept.clone())), kept)
    }

    fn spans(&self) -> Vec<SpanData> {
        self.0.lock().unwrap().clone()
    }
}

fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

fn caller(flags: &str) -> Context {
    let parent = format!("00-{TRACE}-{CALLER}-{flags}");
    Context::take(&mut headers(&[
        ("traceparent", &parent),
        ("tracestate", "a=1"),
    ]))
    .unwrap()
}

#[test]
fn a_context_is_taken_from_headers_and_put_into_others() {
    let parent = format!("00-{TRACE}-{CALLER}-01");
    let given = [
        ("traceparent", parent.as_str()),
        ("tracestate", "a=1 , b=2"),
        ("tracestate", "c=3"),
    ];
    let context = Context::take(&mut headers(&given)).unwrap();
    let mut sent = headers(&[("tracestate", "stale=1"), ("tracestate", "stale=2")]);
    context.put(&mut sent);
    assert_eq!(sent["traceparent"], parent);
    let states: Vec<_> = sent.get_all("tracestate").iter().collect();
    assert_eq!(states, ["a=1,b=2,c=3"]);
}

#[test]
fn what_is_not_valid_is_removed() {
    let parent = format!("00-{TRACE}-{CALLER}-01");
    for (given, taken, left) in [
        (&[("tracestate", "a=1")][..], false, 0),
        (&[("traceparent", "00"), ("tracestate", "a=1")], false, 0),
        (
            &[("traceparent", &parent), ("traceparent", &parent)],
            false,
            0,
        ),
        (&[("traceparent", &parent), ("tracestate", "A=1")], true, 1),
        (&[("traceparent", &parent), ("tracestate", "a=ä")], true, 1),
        (&[("traceparent", &parent), ("tracestate", "")], true, 1),
        (&[("traceparent", &parent), ("tracestate", "a=1")], true, 2),
    ] {
        let mut headers = headers(given);
        assert_eq!(Context::take(&mut headers).is_some(), taken, "{given:?}");
        assert_eq!(headers.len(), left, "{given:?}");
    }
}

#[tokio::test]
async fn spans_form_a_tree_below_the_callers() {
    let (tracer, kept) = Kept::tracer(Sampler::AlwaysOn);
    let origin = Origin::Remote(caller("01"));
    let (request, scope) = tracer.begin(
        &origin,
        SpanKind::Server,
        "POST /write".into(),
        Carries::Call,
    );
    within(Some(scope), async {
        let mut store = current()
            .unwrap()
            .child(SpanKind::Client, || "records.put".into())
            .unwrap();
        store.set("db.system.name", "sqlite");
        store.fail("unavailable");
        let within_store = store.scope();
        within(Some(within_store), async { drop(store) }).await;
    })
    .await;
    drop(request);
    assert!(current().is_none());
    let [store, request] = kept.spans().try_into().unwrap();
    assert_eq!(request.span_context.trace_id().to_string(), TRACE);
    assert_eq!(request.parent_span_id.to_string(), CALLER);
    assert!(request.parent_span_is_remote && !store.parent_span_is_remote);
    assert_eq!(request.span_context.trace_state().header(), "a=1");
    assert_eq!(store.parent_span_id, request.span_context.span_id());
    assert_eq!(store.span_context.trace_id().to_string(), TRACE);
    assert_eq!(
        (&*store.name, &*request.name),
        ("records.put", "POST /write")
    );
    assert_eq!(store.status, Status::error(""));
    let attributes = store.attributes.iter();
    let attributes: Vec<_> = attributes
        .map(|pair| (pair.key.as_str(), pair.value.clone()))
        .collect();
    assert_eq!(
        attributes,
        [
            ("db.system.name", Value::from("sqlite")),
            ("error.type", Value::from("unavailable"))
        ]
    );
    assert!(store.start_time <= store.end_time && store.end_time <= request.end_time);
}

#[test]
fn a_trace_that_is_not_sampled_is_passed_on_without_spans() {
    let as_the_parent = || Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
    for (sampler, origin, sampled) in [
        (as_the_parent(), Origin::Remote(caller("00")), false),
        (as_the_parent(), Origin::Remote(caller("03")), true),
        (as_the_parent(), Origin::New(TraceId::of_text(TRACE)), true),
        (Sampler::AlwaysOff, Origin::Remote(caller("01")), false),
        (Sampler::AlwaysOn, Origin::Remote(caller("00")), true),
        (Sampler::TraceIdRatioBased(0.0), Origin::random(), false),
    ] {
        let (tracer, kept) = Kept::tracer(sampler);
        let (span, scope) = tracer.begin(&origin, SpanKind::Server, "GET".into(), Carries::Call);
        let parent = scope.context().parent;
        assert_eq!(parent.flags.is_sampled(), sampled, "{origin:?}");
        assert_eq!(span.is_some(), sampled);
        assert_eq!(
            scope.child(SpanKind::Internal, || "x".into()).is_some(),
            sampled
        );
        if let Origin::Remote(context) = origin {
            assert_eq!(parent.trace_id, context.parent.trace_id);
            assert_ne!(parent.span_id, context.parent.span_id);
        }
        drop(span);
        assert_eq!(kept.spans().len(), if sampled { 2 } else { 0 });
    }
}

#[test]
fn without_a_tracer_the_callers_context_is_passed_on_unchanged() {
    let scope = Scope::passing_on(caller("01"), Carries::Call);
    assert_eq!(scope.context(), &caller("01"));
    assert!(scope.child(SpanKind::Client, || "x".into()).is_none());
    let seen = within_sync(Some(scope), || {
        current().map(|scope| scope.context().clone())
    });
    assert_eq!(seen, Some(caller("01")));
}

#[test]
fn a_span_refers_to_its_cause_in_another_trace() {
    let (tracer, kept) = Kept::tracer(Sampler::AlwaysOn);
    let (span, _) = tracer.begin(
        &Origin::random(),
        SpanKind::Client,
        "POST writer".into(),
        Carries::Call,
    );
    let mut span = span.unwrap();
    span.link(&caller("01"));
    drop(span);
    let [span] = kept.spans().try_into().unwrap();
    let [link] = &span.links.links[..] else {
        panic!("{:?}", span.links);
    };
    assert_eq!(link.span_context.trace_id().to_string(), TRACE);
    assert_ne!(span.span_context.trace_id().to_string(), TRACE);
}
