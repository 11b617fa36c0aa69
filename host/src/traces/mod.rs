//! Where spans are sent (OTLP over HTTP), and which: the variables by OpenTelemetry's names, and the tracer that they ask
//! for. Nothing is recorded unless an endpoint is set.

mod export;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use export::{flush, tracer};
pub(crate) use settings::VARIABLES;
pub use settings::{Sampling, TraceSettings};
