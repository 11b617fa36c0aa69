//! A request's place in its trace: the caller's context, or a new trace, and the span of the request.
//!
//! A message that comes without a `traceparent` is in the trace that its envelope names or will get
//! ([`twin_contract::MessageTrace`]): so a reading is in one trace, even if it passes a host that records none.

use std::sync::Arc;

use http::{Method, request::Parts};
use twin_capabilities::function::FunctionName;
use twin_contract::{MessageId, MessageTrace, TRACEPARENT, digest};

use super::{request_id, routes::Route};
use crate::{
    function::Request,
    telemetry::trace::{Carries, Context, Origin, Scope, Span, SpanKind, Tracer},
};

/// The route on which letters are sent again, each in its own trace.
const REPLAY: &str = "/dead-letters/replay";

/// The trace of a request for a function; empty for all others.
#[derive(Default)]
pub(super) struct Traced {
    /// What the caller sent.
    incoming: Option<Context>,
    carries: Option<Carries>,
    /// What a span needs to know of the request; `None` if none are recorded.
    asked: Option<Asked>,
    span: Option<Span>,
}

struct Asked {
    tracer: Arc<Tracer>,
    function: FunctionName,
    /// `None` for an event.
    method: Option<Method>,
    route: String,
    request_id: String,
}

impl Traced {
    /// Reads the headers of a request for a function, and removes those that are not valid.
    pub(super) fn receive(
        tracer: Option<&Arc<Tracer>>,
        head: &mut Parts,
        route: Option<&Route<String>>,
    ) -> Self {
        let incoming = Context::take(&mut head.headers);
        let Some(Route::Function(function, path)) = route else {
            return Self::default();
        };
        let carries = match path.as_str() {
            REPLAY => Carries::Messages,
            _ => Carries::Call,
        };
        let asked = tracer.map(|tracer| Asked {
            tracer: Arc::clone(tracer),
            function: *function,
            method: Some(head.method.clone()),
            route: template(*function, path),
            request_id: request_id::of(&head.headers).to_owned(),
        });
        Self {
            incoming,
            carries: Some(carries),
            asked,
            span: None,
        }
    }

    /// The trace of an event, which a platform delivered to a function.
    pub(super) fn of_event(
        tracer: Option<&Arc<Tracer>>,
        function: FunctionName,
        request: &Request,
    ) -> Self {
        let asked = tracer.map(|tracer| Asked {
            tracer: Arc::clone(tracer),
            function,
            method: None,
            route: request.path.clone(),
            request_id: String::new(),
        });
        Self {
            carries: Some(Carries::Call),
            asked,
            ..Self::default()
        }
    }

    /// Begins the request's span, now that its body is known. Returns the scope of its call, unless there is nothing to
    /// record or to pass on. `headers` are those that the function gets: a connector writes the trace of their `traceparent`
    /// into its envelope.
    pub(super) fn begin(
        &mut self,
        headers: &mut Vec<(String, String)>,
        body: &[u8],
    ) -> Option<Scope> {
        let carries = self.carries?;
        let Some(asked) = self.asked.take() else {
            let incoming = self.incoming.take()?;
            return Some(Scope::passing_on(incoming, carries));
        };
        let incoming = self.incoming.take();
        let (origin, original) = asked.origin(incoming, headers, body);
        let method = asked.method.as_ref().map(method_name);
        let (kind, operation) = match method {
            Some(method) => (SpanKind::Server, method),
            None => (SpanKind::Consumer, "process"),
        };
        let name = format!("{operation} {}", asked.route);
        let (mut span, scope) = asked.tracer.begin(&origin, kind, name, carries);
        if asked.function == FunctionName::Connector {
            headers.retain(|(name, _)| name != TRACEPARENT);
            let parent = scope.context().parent.to_string();
            headers.push((TRACEPARENT.to_owned(), parent));
        }
        if let Some(span) = &mut span {
            if let Some(method) = method {
                span.set("http.request.method", method);
                span.set("http.route", asked.route);
                span.set("twin.request_id", asked.request_id);
            } else {
                span.set("faas.trigger", "pubsub");
            }
            span.set("twin.function", asked.function.as_str());
            if let Some(original) = original {
                span.set("twin.trace_id", original);
            }
        }
        self.span = span;
        Some(scope)
    }

    /// Ends the span with the status of the response. A request that was refused before its body was known gets one, too.
    pub(super) fn end(mut self, status: u16) {
        self.begin(&mut Vec::new(), &[]);
        if let Some(mut span) = self.span {
            span.set("http.response.status_code", i64::from(status));
            if status >= 500 {
                span.fail(status.to_string());
            }
        }
    }
}

impl Asked {
    /// Where the request's trace comes from, and the envelope's own name for it if it is another.
    fn origin(
        &self,
        incoming: Option<Context>,
        headers: &[(String, String)],
        body: &[u8],
    ) -> (Origin, Option<String>) {
        if let Some(context) = incoming {
            return (Origin::Remote(context), None);
        }
        let is_posted = self
            .method
            .as_ref()
            .is_none_or(|method| *method == Method::POST);
        let is_message = is_posted && takes_messages(self.function);
        let given = || {
            let mut headers = headers.iter();
            let id = headers.find(|(name, _)| name == "idempotency-key");
            id.and_then(|(_, id)| MessageId::parse(id).ok())
        };
        let message = is_message
            .then(|| MessageTrace::of(body, given(), digest))
            .flatten();
        message.map_or_else(
            || (Origin::random(), None),
            |message| (Origin::New(message.trace_id), message.original),
        )
    }
}

/// The method, by the convention for methods that are not known.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}

const fn takes_messages(function: FunctionName) -> bool {
    matches!(
        function,
        FunctionName::Connector | FunctionName::Ingestion | FunctionName::Writer
    )
}

/// The route of a path, without what identifies one letter.
fn template(function: FunctionName, path: &str) -> String {
    let prefixes = function.routes().iter();
    let prefix = prefixes
        .copied()
        .find(|route| route.ends_with('/') && path.starts_with(route));
    match prefix {
        Some(prefix) if path != REPLAY => format!("{prefix}{{id}}"),
        _ => path.to_owned(),
    }
}
