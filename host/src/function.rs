//! Functions by name, and how to call one: the interface between ingress, peers and runtime.

pub use twin_capabilities::function::{
    CallError, FunctionName, Functions, Request, Response, UnknownFunction, Verdict,
};

use crate::telemetry::trace::{self, SpanKind};

/// Calls a function, as a span of the trace that the task works for.
pub(crate) async fn call(
    functions: &dyn Functions,
    function: FunctionName,
    request: Request,
) -> Result<Response, CallError> {
    let within = trace::current();
    let span =
        within.and_then(|within| within.child(SpanKind::Internal, || format!("call {function}")));
    let scope = span.as_ref().map(trace::Span::scope);
    let outcome = trace::within(scope, functions.call(function, request)).await;
    if let Some(mut span) = span {
        span.set("twin.function", function.as_str());
        if let Err(error) = &outcome {
            span.fail(match error {
                CallError::NotMounted(_) => "not_mounted",
                CallError::Overloaded(_) => "overloaded",
                CallError::InstanceLost(_) => "instance_lost",
                CallError::DeadlineExceeded { .. } => "timeout",
            });
        }
    }
    outcome
}
