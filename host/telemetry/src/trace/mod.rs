//! Distributed tracing: which trace a task works for, and the spans that are recorded of it.
//!
//! Without a [`Tracer`] a host records nothing, and only passes on the trace context that a caller sent
//! ([`Scope::passing_on`]). With one, every request begins a span, which continues the caller's trace or begins a new one.
//! Spans are values: who begins one ends it. What a task works for is its [`Scope`], which [`within`] sets for a future;
//! everything that the future calls finds it by [`current`], so that no interface has to carry it.
//!
//! While there is neither a tracer nor a caller's context, there is no scope, and all of this is one check of an `Option`.

mod context;
mod scope;
mod span;
#[cfg(test)]
mod tests;
mod tracer;

pub use self::{
    context::Context,
    scope::{Carries, Scope, current, within, within_sync},
    span::{Span, SpanKind},
    tracer::{Origin, Tracer},
};
pub use opentelemetry_sdk::trace::{Sampler, SpanData, SpanProcessor};
