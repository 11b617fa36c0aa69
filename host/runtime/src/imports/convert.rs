//! Conversions between the generated types of the component model and the plain ones of `twin-capabilities`. Values are
//! moved, not copied.

use std::time::Duration;

use twin_capabilities as plain;
use twin_contract::Role;

use crate::bindings as wit;

/// Implements `From` in one direction for structs whose fields have the same names.
macro_rules! fields {
    ($($from:path => $to:path { $($field:ident),+ $(,)? })+) => {$(
        impl From<$from> for $to {
            fn from(value: $from) -> Self {
                Self { $($field: value.$field.into()),+ }
            }
        }
    )+};
}

fields! {
    wit::exported::Response => plain::function::Response { status, headers, body }
    plain::circuits::Circuit => wit::circuits::Circuit { version, state, now_ms }
    wit::credentials::Presented => plain::credentials::Presented {
        method, path_with_query, headers,
    }
    plain::credentials::Caller => wit::credentials::Caller { name, role }
    plain::credentials::Caller => wit::exported::Caller { name, role }
    wit::peers::Request => plain::peers::Request { method, query, headers, body }
    plain::peers::Reply => wit::peers::Reply { status, headers, body }
    wit::dead_letters::Attempt => plain::dead_letters::Attempt { at, status, cause }
    plain::dead_letters::Attempt => wit::dead_letters::Attempt { at, status, cause }
    wit::dead_letter_replay::Place => plain::dead_letters::Place { number, letter_id }
    plain::dead_letters::Place => wit::dead_letter_replay::Place { number, letter_id }
    wit::dead_letter_replay::Selection => plain::dead_letters::Selection { letter_id, peer, before }
    plain::dead_letters::Summary => wit::dead_letter_replay::Summary {
        letter_id, id, peer, stored_at,
    }
    plain::dead_letters::StoredLetter => wit::dead_letter_replay::StoredLetter {
        letter, stored_at, leased_until,
    }
    plain::dead_letters::Lease => wit::dead_letter_replay::Lease { letter, receipt, turn }
    plain::types::Throttling => wit::types::Throttling { cause, retry_after_ms }
    wit::records::Entry => plain::records::Entry {
        device_id, time, id, message_type, digest, body,
    }
    plain::records::StoredEntry => wit::records::StoredEntry { time, id, body, stored_at }
    wit::records::Position => plain::records::Position { time, id }
}

fn all<T: Into<U>, U>(values: Vec<T>) -> Vec<U> {
    values.into_iter().map(Into::into).collect()
}

impl From<plain::Failure> for wit::types::Failure {
    fn from(failure: plain::Failure) -> Self {
        match failure {
            plain::Failure::Unavailable(text) => Self::Unavailable(text),
            plain::Failure::Throttled(throttling) => Self::Throttled(throttling.into()),
            plain::Failure::Full => Self::Full,
            plain::Failure::TooLarge => Self::TooLarge,
            plain::Failure::Misconfigured(text) => Self::Misconfigured(text),
            plain::Failure::Other(text) => Self::Other(text),
        }
    }
}

impl From<plain::circuits::SwapFailure> for wit::circuits::SwapFailure {
    fn from(failure: plain::circuits::SwapFailure) -> Self {
        match failure {
            plain::circuits::SwapFailure::Conflict(circuit) => Self::Conflict(circuit.into()),
            plain::circuits::SwapFailure::Store(failure) => Self::Store(failure.into()),
        }
    }
}

impl From<Role> for wit::credentials::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Any => Self::Any,
            Role::Hop => Self::Hop,
            Role::Operator => Self::Operator,
        }
    }
}

impl From<Role> for wit::exported::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Any => Self::Any,
            Role::Hop => Self::Hop,
            Role::Operator => Self::Operator,
        }
    }
}

impl From<plain::credentials::Denied> for wit::credentials::Denied {
    fn from(denied: plain::credentials::Denied) -> Self {
        match denied {
            plain::credentials::Denied::Missing => Self::Missing,
            plain::credentials::Denied::Wrong => Self::Wrong,
            plain::credentials::Denied::Unavailable(text) => Self::Unavailable(text),
            plain::credentials::Denied::Other(text) => Self::Other(text),
        }
    }
}

impl From<plain::peers::SendFailure> for wit::peers::Failure {
    fn from(failure: plain::peers::SendFailure) -> Self {
        match failure {
            plain::peers::SendFailure::UnknownPeer => Self::UnknownPeer,
            plain::peers::SendFailure::Unreachable(text) => Self::Unreachable(text),
            plain::peers::SendFailure::TimedOut => Self::TimedOut,
            plain::peers::SendFailure::Exhausted(text) => Self::Exhausted(text),
            plain::peers::SendFailure::CredentialsUnavailable(text) => {
                Self::CredentialsUnavailable(text)
            }
            plain::peers::SendFailure::RefusedByPolicy(text) => Self::RefusedByPolicy(text),
            plain::peers::SendFailure::Other(text) => Self::Other(text),
        }
    }
}

/// Converts a component's request to a peer; the name may be unknown.
pub(super) fn outgoing(
    peer: &str,
    request: wit::peers::Request,
    timeout_ms: u32,
) -> Result<plain::peers::Outgoing, wit::peers::Failure> {
    Ok(plain::peers::Outgoing {
        peer: peer.parse().map_err(|_| wit::peers::Failure::UnknownPeer)?,
        request: request.into(),
        timeout: Duration::from_millis(timeout_ms.into()),
    })
}

impl From<wit::dead_letters::Letter> for plain::dead_letters::Letter {
    fn from(letter: wit::dead_letters::Letter) -> Self {
        Self {
            letter_id: letter.letter_id,
            id: letter.id,
            peer: letter.peer,
            trace_id: letter.trace_id,
            envelope: letter.envelope,
            attempts: all(letter.attempts),
            first_failure_at: letter.first_failure_at,
            last_failure_at: letter.last_failure_at,
        }
    }
}

impl From<plain::dead_letters::Letter> for wit::dead_letters::Letter {
    fn from(letter: plain::dead_letters::Letter) -> Self {
        Self {
            letter_id: letter.letter_id,
            id: letter.id,
            peer: letter.peer,
            trace_id: letter.trace_id,
            envelope: letter.envelope,
            attempts: all(letter.attempts),
            first_failure_at: letter.first_failure_at,
            last_failure_at: letter.last_failure_at,
        }
    }
}

impl From<plain::dead_letters::Page> for wit::dead_letter_replay::Page {
    fn from(page: plain::dead_letters::Page) -> Self {
        Self {
            letters: all(page.letters),
            next: page.next.map(Into::into),
        }
    }
}

impl From<plain::dead_letters::PreviewPage> for wit::dead_letter_replay::PreviewPage {
    fn from(page: plain::dead_letters::PreviewPage) -> Self {
        Self {
            letters: all(page.letters),
            next: page.next.map(Into::into),
        }
    }
}

impl From<plain::dead_letters::Taken> for wit::dead_letter_replay::Taken {
    fn from(taken: plain::dead_letters::Taken) -> Self {
        Self {
            leases: all(taken.leases),
            round: taken.round,
            more: taken.more,
        }
    }
}

impl From<wit::error_topic::SystemError> for plain::error_topic::SystemError {
    fn from(error: wit::error_topic::SystemError) -> Self {
        Self {
            twin_id: error.twin_id,
            cloud_provider: error.cloud_provider,
            severity: match error.severity {
                wit::error_topic::Severity::Critical => plain::error_topic::Severity::Critical,
                wit::error_topic::Severity::Warning => plain::error_topic::Severity::Warning,
                wit::error_topic::Severity::Info => plain::error_topic::Severity::Info,
            },
            component: error.component,
            error_code: error.error_code,
            message: error.message,
            timestamp: error.timestamp,
            raw_data: error.raw_data,
        }
    }
}

/// Converts the entries of a call, in order.
pub(super) fn entries(entries: Vec<wit::records::Entry>) -> Vec<plain::records::Entry> {
    all(entries)
}

impl From<plain::records::Outcome> for wit::records::Outcome {
    fn from(outcome: plain::records::Outcome) -> Self {
        match outcome {
            plain::records::Outcome::Stored(at) => Self::Stored(at),
            plain::records::Outcome::Duplicate(since) => Self::Duplicate(since),
            plain::records::Outcome::Conflict => Self::Conflict,
        }
    }
}

impl From<wit::records::Selection> for plain::records::Selection {
    fn from(selection: wit::records::Selection) -> Self {
        Self {
            device_id: selection.device_id,
            start: selection.start,
            end: selection.end,
            order: match selection.order {
                wit::records::Order::NewestFirst => plain::records::Order::NewestFirst,
                wit::records::Order::OldestFirst => plain::records::Order::OldestFirst,
            },
            limit: selection.limit,
            after: selection.after.map(Into::into),
        }
    }
}

impl From<plain::records::Page> for wit::records::Page {
    fn from(page: plain::records::Page) -> Self {
        Self {
            entries: all(page.entries),
            more: page.more,
        }
    }
}

impl From<plain::function::Request> for wit::exported::Request {
    fn from(request: plain::function::Request) -> Self {
        Self {
            method: request.method,
            path: request.path,
            query: request.query,
            headers: request.headers,
            body: request.body,
            time_left_ms: request.time_left_ms,
            verdict: request.verdict.into(),
        }
    }
}

impl From<plain::function::Verdict> for wit::exported::Verdict {
    fn from(verdict: plain::function::Verdict) -> Self {
        match verdict {
            plain::function::Verdict::Verified(caller) => Self::Verified(caller.into()),
            plain::function::Verdict::Missing => Self::Missing,
            plain::function::Verdict::Wrong => Self::Wrong,
            plain::function::Verdict::Repeated(header) => Self::Repeated(header),
            plain::function::Verdict::Unavailable(cause) => Self::Unavailable(cause),
            plain::function::Verdict::Unchecked => Self::Unchecked,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_names_no_peer_is_an_unknown_peer() {
        for (peer, known) in [
            ("writer", true),
            ("error-reporter", true),
            ("Writer", false),
            ("http://127.0.0.1", false),
            ("", false),
        ] {
            let request = wit::peers::Request {
                method: "POST".to_owned(),
                query: String::new(),
                headers: Vec::new(),
                body: Vec::new(),
            };
            assert_eq!(outgoing(peer, request, 1).is_ok(), known, "{peer}");
        }
    }
}
