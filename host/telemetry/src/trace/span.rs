//! One span, from its beginning to its end.

use std::{fmt, sync::Arc, time::SystemTime};

pub use opentelemetry::trace::SpanKind;
use opentelemetry::{
    KeyValue, Value,
    trace::{Link, Status},
};
use opentelemetry_sdk::trace::SpanData;

use super::{Context, Scope, Tracer, tracer::span_context};

/// A span that is being recorded. It ends when it is dropped, so that work that is cancelled has a span, too.
#[must_use = "it ends when it is dropped"]
pub struct Span {
    /// `None` once it has ended.
    data: Option<Box<SpanData>>,
    tracer: Arc<Tracer>,
    scope: Scope,
}

impl fmt::Debug for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Span")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl Span {
    pub(super) fn new(data: SpanData, tracer: Arc<Tracer>, scope: Scope) -> Self {
        Self {
            data: Some(Box::new(data)),
            tracer,
            scope,
        }
    }

    /// The scope of what happens during this span.
    pub fn scope(&self) -> Scope {
        self.scope.clone()
    }

    /// Sets an attribute, by the names of OpenTelemetry's semantic conventions, or `twin.` and a name of ours.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        if let Some(data) = &mut self.data {
            data.attributes.push(KeyValue::new(name, value));
        }
    }

    /// Marks the span as failed. `kind` is the value of `error.type`: a status, or a word from a short list.
    pub fn fail(&mut self, kind: impl Into<Value>) {
        self.set("error.type", kind);
        if let Some(data) = &mut self.data {
            data.status = Status::error("");
        }
    }

    /// Refers to the span that caused this one in another trace.
    pub fn link(&mut self, cause: &Context) {
        if let Some(data) = &mut self.data {
            data.links
                .links
                .push(Link::with_context(span_context(cause, false)));
        }
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(mut data) = self.data.take() {
            data.end_time = SystemTime::now();
            self.tracer.ended(*data);
        }
    }
}
