//! Begins spans, decides which are recorded, and passes those that have ended to a processor.

use std::{
    sync::{Arc, LazyLock},
    time::SystemTime,
};

use opentelemetry::{
    self as otel, Context as Parents, InstrumentationScope,
    trace::{SpanContext, SpanKind, Status, TraceContextExt as _},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{
        Sampler, SamplingDecision, ShouldSample as _, SpanData, SpanEvents, SpanLinks,
        SpanProcessor,
    },
};
use twin_contract::{SpanId, TraceFlags, TraceId, TraceParent};

use super::{Carries, Context, Scope, Span};

/// Where a trace comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A caller's span.
    Remote(Context),
    /// It begins here.
    New(TraceId),
}

/// Records spans.
#[derive(Debug)]
pub struct Tracer {
    sampler: Sampler,
    processor: Box<dyn SpanProcessor>,
}

static LIBRARY: LazyLock<InstrumentationScope> = LazyLock::new(|| {
    InstrumentationScope::builder("twin")
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()
});

impl Origin {
    /// A new trace, with a random id.
    pub fn random() -> Self {
        Self::New(nonzero(TraceId::new))
    }
}

impl Tracer {
    /// A tracer that passes the spans of sampled traces to a processor.
    pub fn new(sampler: Sampler, processor: impl SpanProcessor + 'static) -> Self {
        Self {
            sampler,
            processor: Box::new(processor),
        }
    }

    /// Begins the first span of this process in a trace. The span is `None` if the trace is not sampled; its context is
    /// passed on even so, with that decision.
    pub fn begin(
        self: &Arc<Self>,
        origin: &Origin,
        kind: SpanKind,
        name: String,
        carries: Carries,
    ) -> (Option<Span>, Scope) {
        let (trace_id, parent) = match origin {
            Origin::Remote(context) => (context.parent.trace_id, Some(context)),
            Origin::New(trace_id) => (*trace_id, None),
        };
        let flags = parent.map_or_else(TraceFlags::default, |context| context.parent.flags);
        let sampled = self.samples(trace_id, parent, &kind, &name);
        let context = Context {
            parent: TraceParent {
                trace_id,
                span_id: nonzero(SpanId::new),
                flags: flags.with_sampled(sampled),
            },
            state: parent.and_then(|context| context.state.clone()),
        };
        let scope = Scope::new(context, Some(Arc::clone(self)), carries);
        let span = sampled.then(|| self.span(&scope, parent, true, kind, name));
        (span, scope)
    }

    /// Begins a span within another of this process.
    pub(super) fn child(self: &Arc<Self>, within: &Scope, kind: SpanKind, name: String) -> Span {
        let parent = within.context();
        let context = Context {
            parent: TraceParent {
                span_id: nonzero(SpanId::new),
                ..parent.parent
            },
            state: parent.state.clone(),
        };
        let scope = Scope::new(context, Some(Arc::clone(self)), within.carries());
        self.span(&scope, Some(parent), false, kind, name)
    }

    fn samples(
        &self,
        trace_id: TraceId,
        parent: Option<&Context>,
        kind: &SpanKind,
        name: &str,
    ) -> bool {
        let parent = parent
            .map(|parent| Parents::new().with_remote_span_context(span_context(parent, true)));
        let trace_id = otel::TraceId::from_bytes(trace_id.to_bytes());
        let sampled = self
            .sampler
            .should_sample(parent.as_ref(), trace_id, name, kind, &[], &[]);
        matches!(sampled.decision, SamplingDecision::RecordAndSample)
    }

    fn span(
        self: &Arc<Self>,
        scope: &Scope,
        parent: Option<&Context>,
        parent_span_is_remote: bool,
        span_kind: SpanKind,
        name: String,
    ) -> Span {
        let now = SystemTime::now();
        let data = SpanData {
            span_context: span_context(scope.context(), false),
            parent_span_id: parent.map_or(otel::SpanId::INVALID, |parent| {
                otel::SpanId::from_bytes(parent.parent.span_id.to_bytes())
            }),
            parent_span_is_remote: parent.is_some() && parent_span_is_remote,
            span_kind,
            name: name.into(),
            start_time: now,
            end_time: now,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: LIBRARY.clone(),
        };
        Span::new(data, Arc::clone(self), scope.clone())
    }

    /// Passes on a span that has ended. This does not wait: if the processor has no room, it counts a lost span.
    pub(super) fn ended(&self, span: SpanData) {
        self.processor.on_end(span);
    }

    /// Sends what has ended so far, and waits for it. It blocks its thread.
    ///
    /// # Errors
    /// If that takes more than five seconds, or the receiver refuses it.
    pub fn flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }
}

/// The context in the types of OpenTelemetry.
pub(super) fn span_context(context: &Context, is_remote: bool) -> SpanContext {
    let TraceParent {
        trace_id,
        span_id,
        flags,
    } = context.parent;
    let state = context.state.as_ref();
    // Both follow the same specification; an exported span can do without the state.
    let state = state.and_then(|state| state.as_str().parse().ok());
    SpanContext::new(
        otel::TraceId::from_bytes(trace_id.to_bytes()),
        otel::SpanId::from_bytes(span_id.to_bytes()),
        otel::TraceFlags::new(flags.to_byte()),
        is_remote,
        state.unwrap_or_default(),
    )
}

/// A random id.
fn nonzero<const N: usize, T>(new: impl Fn([u8; N]) -> Option<T>) -> T {
    loop {
        let mut bytes = [0; N];
        rand::fill(&mut bytes);
        if let Some(id) = new(bytes) {
            return id;
        }
    }
}
