//! An attempt's place in its trace: its span, and the context that its request carries.

use twin_capabilities::peers::{Peer, Reply, Request, SendFailure};
use twin_contract::{MessageId, MessageTrace, digest};

use crate::{
    config::Binding,
    telemetry::trace::{self, Carries, Origin, Scope, Span, SpanKind},
};

/// The trace of one attempt.
pub(super) struct Traced {
    span: Option<Span>,
    /// What the request continues; `None` if it carries no context.
    pub(super) scope: Option<Scope>,
}

impl Traced {
    /// Begins the span of an attempt, if the task works for a trace.
    pub(super) fn begin(peer: Peer, binding: Option<&Binding<'_>>, request: &Request) -> Self {
        // Nothing is sent to a peer that is not bound.
        let (Some(within), Some(binding)) = (trace::current(), binding) else {
            return Self::none();
        };
        let kind = match binding {
            Binding::Remote { .. } => SpanKind::Client,
            Binding::Local(_) => SpanKind::Internal,
        };
        let name = || format!("{} {peer}", request.method);
        let (span, scope) = match within.carries() {
            Carries::Call => {
                let span = within.child(kind, name);
                let scope = span.as_ref().map_or_else(|| within.clone(), Span::scope);
                (span, scope)
            }
            Carries::Messages => {
                // A receiver that records spans finds the message's trace in its envelope, too.
                let Some(tracer) = within.tracer() else {
                    return Self::none();
                };
                let (mut span, scope) = tracer.begin(&origin(request), kind, name(), Carries::Call);
                if let Some(span) = &mut span {
                    span.link(within.context());
                }
                (span, scope)
            }
        };
        let span = span.map(|mut span| {
            span.set("http.request.method", request.method.clone());
            span.set("twin.peer", peer.as_str());
            if let Binding::Remote { url, .. } = binding {
                let url = url.expose();
                span.set(
                    "server.address",
                    url.host_str().unwrap_or_default().to_owned(),
                );
                if let Some(port) = url.port_or_known_default() {
                    span.set("server.port", i64::from(port));
                }
            }
            let before = within.next_attempt();
            if before > 0 && within.carries() == Carries::Call {
                span.set("http.request.resend_count", i64::from(before));
            }
            span
        });
        Self {
            span,
            scope: Some(scope),
        }
    }

    const fn none() -> Self {
        Self {
            span: None,
            scope: None,
        }
    }

    /// Ends the span.
    pub(super) fn end(self, outcome: &Result<Reply, SendFailure>) {
        let Some(mut span) = self.span else {
            return;
        };
        match outcome {
            Ok(reply) => {
                span.set("http.response.status_code", i64::from(reply.status));
                if reply.status >= 400 {
                    span.fail(reply.status.to_string());
                }
            }
            Err(failure) => span.fail(match failure {
                SendFailure::UnknownPeer => "unknown_peer",
                SendFailure::Unreachable(_) => "unreachable",
                SendFailure::TimedOut => "timeout",
                SendFailure::Exhausted(_) => "exhausted",
                SendFailure::CredentialsUnavailable(_) => "credentials_unavailable",
                SendFailure::RefusedByPolicy(_) => "refused_by_policy",
                SendFailure::Other(_) => "_OTHER",
            }),
        }
    }
}

/// The trace of a message that is sent again: the one that its envelope names.
fn origin(request: &Request) -> Origin {
    let mut headers = request.headers.iter();
    let id = headers.find(|(name, _)| name == "idempotency-key");
    let id = id.and_then(|(_, id)| MessageId::parse(id).ok());
    MessageTrace::of(&request.body, id, digest)
        .map_or_else(Origin::random, |message| Origin::New(message.trace_id))
}
