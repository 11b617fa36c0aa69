//! The context of a trace, as it crosses between processes: the two headers of W3C Trace Context.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use twin_contract::{TRACEPARENT, TRACESTATE, TraceParent, TraceState};

const PARENT: HeaderName = HeaderName::from_static(TRACEPARENT);
const STATE: HeaderName = HeaderName::from_static(TRACESTATE);

/// A span in its trace, with the state that travels with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The trace, and the span that the next one follows.
    pub parent: TraceParent,
    /// What tracing systems added.
    pub state: Option<Arc<TraceState>>,
}

impl Context {
    /// Reads the context of a request. Headers that are not valid are removed, so that nobody uses them: a `traceparent` that
    /// is invalid or repeated, with its `tracestate`, or an invalid `tracestate` alone.
    pub fn take(headers: &mut HeaderMap) -> Option<Self> {
        let mut given = headers.get_all(PARENT).iter();
        let parent = match (given.next(), given.next()) {
            (Some(parent), None) => parent.to_str().ok().and_then(TraceParent::parse),
            _ => None,
        };
        let Some(parent) = parent else {
            headers.remove(PARENT);
            headers.remove(STATE);
            return None;
        };
        let states = headers.get_all(STATE).iter();
        // A value that is not ASCII makes the whole state invalid.
        let states = states.map(|state| state.to_str().unwrap_or("?"));
        let state = TraceState::parse(states).map(Arc::new);
        if state.is_none() {
            headers.remove(STATE);
        }
        Some(Self { parent, state })
    }

    /// Sets the headers of a request that follows this span.
    pub fn put(&self, headers: &mut HeaderMap) {
        // Both are visible ASCII.
        if let Ok(parent) = HeaderValue::from_str(&self.parent.to_string()) {
            headers.insert(PARENT, parent);
        }
        let state = self.state.as_ref();
        match state.map(|state| HeaderValue::from_str(state.as_str())) {
            Some(Ok(state)) => headers.insert(STATE, state),
            _ => headers.remove(STATE),
        };
    }
}
