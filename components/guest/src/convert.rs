//! Conversions between the generated types of the bindings and the plain ones of `twin-capabilities`. Values are moved, not
//! copied.

use twin_capabilities as plain;

use crate::bindings as wit;

/// `From` in one direction for structs whose fields have the same names.
macro_rules! fields {
    ($($from:path => $to:path { $($field:ident),+ $(,)? })+) => {$(
        impl From<$from> for $to {
            fn from(value: $from) -> Self {
                Self { $($field: value.$field.into()),+ }
            }
        }
    )+};
}

/// `From` in one direction for enums whose cases have the same names.
macro_rules! cases {
    ($($from:path => $to:path { $($case:ident $(($value:ident))?),+ $(,)? })+) => {$(
        impl From<$from> for $to {
            fn from(value: $from) -> Self {
                type From_ = $from;
                match value {
                    $(From_::$case $(($value))? => Self::$case $(($value.into()))?),+
                }
            }
        }
    )+};
}

fields! {
    wit::exported::Request => plain::function::Request {
        method, path, query, headers, body, time_left_ms, verdict,
    }
    wit::exported::Caller => plain::credentials::Caller { name, role }
    plain::function::Response => wit::exported::Response { status, headers, body }
    wit::types::Throttling => plain::types::Throttling { cause, retry_after_ms }
    wit::circuits::Circuit => plain::circuits::Circuit { version, state, now_ms }
    plain::credentials::Presented => wit::credentials::Presented {
        method, path_with_query, headers,
    }
    wit::credentials::Caller => plain::credentials::Caller { name, role }
    plain::peers::Request => wit::peers::Request { method, query, headers, body }
    wit::peers::Reply => plain::peers::Reply { status, headers, body }
    wit::dead_letters::Attempt => plain::dead_letters::Attempt { at, status, cause }
    plain::dead_letters::Attempt => wit::dead_letters::Attempt { at, status, cause }
    wit::dead_letter_replay::Place => plain::dead_letters::Place { number, letter_id }
    plain::dead_letters::Place => wit::dead_letter_replay::Place { number, letter_id }
    plain::dead_letters::Selection => wit::dead_letter_replay::Selection {
        letter_id, peer, before,
    }
    wit::dead_letter_replay::Summary => plain::dead_letters::Summary {
        letter_id, id, peer, stored_at,
    }
    wit::dead_letter_replay::StoredLetter => plain::dead_letters::StoredLetter {
        letter, stored_at, leased_until,
    }
    wit::dead_letter_replay::Lease => plain::dead_letters::Lease { letter, receipt, turn }
    plain::records::Entry => wit::records::Entry {
        device_id, time, id, message_type, digest, body,
    }
    wit::records::StoredEntry => plain::records::StoredEntry { time, id, body, stored_at }
    plain::records::Position => wit::records::Position { time, id }
    plain::error_topic::SystemError => wit::error_topic::SystemError {
        twin_id, cloud_provider, severity, component, error_code, message, timestamp, raw_data,
    }
}

cases! {
    wit::types::Failure => plain::Failure {
        Unavailable(cause), Throttled(throttling), Full, TooLarge, Misconfigured(cause), Other(cause),
    }
    wit::circuits::SwapFailure => plain::circuits::SwapFailure {
        Conflict(circuit), Store(failure),
    }
    wit::credentials::Role => plain::credentials::Role { Any, Hop, Operator }
    wit::exported::Role => plain::credentials::Role { Any, Hop, Operator }
    wit::exported::Verdict => plain::function::Verdict {
        Verified(caller), Missing, Wrong, Repeated(header), Unavailable(cause), Unchecked,
    }
    wit::credentials::Denied => plain::credentials::Denied {
        Missing, Wrong, Unavailable(cause), Other(cause),
    }
    wit::peers::Failure => plain::peers::SendFailure {
        UnknownPeer, Unreachable(cause), TimedOut, Exhausted(cause), CredentialsUnavailable(cause),
        RefusedByPolicy(cause), Other(cause),
    }
    plain::error_topic::Severity => wit::error_topic::Severity { Critical, Warning, Info }
    wit::records::Outcome => plain::records::Outcome { Stored(at), Duplicate(since), Conflict }
    plain::records::Order => wit::records::Order { NewestFirst, OldestFirst }
    plain::log::Level => wit::log::Level { Debug, Info, Warn, Error }
}

pub(crate) fn all<T: Into<U>, U>(values: Vec<T>) -> Vec<U> {
    values.into_iter().map(Into::into).collect()
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

impl From<wit::dead_letter_replay::Page> for plain::dead_letters::Page {
    fn from(page: wit::dead_letter_replay::Page) -> Self {
        Self {
            letters: all(page.letters),
            next: page.next.map(Into::into),
        }
    }
}

impl From<wit::dead_letter_replay::PreviewPage> for plain::dead_letters::PreviewPage {
    fn from(page: wit::dead_letter_replay::PreviewPage) -> Self {
        Self {
            letters: all(page.letters),
            next: page.next.map(Into::into),
        }
    }
}

impl From<wit::dead_letter_replay::Taken> for plain::dead_letters::Taken {
    fn from(taken: wit::dead_letter_replay::Taken) -> Self {
        Self {
            leases: all(taken.leases),
            round: taken.round,
            more: taken.more,
        }
    }
}

impl From<plain::records::Selection> for wit::records::Selection {
    fn from(selection: plain::records::Selection) -> Self {
        Self {
            device_id: selection.device_id,
            start: selection.start,
            end: selection.end,
            order: selection.order.into(),
            limit: selection.limit,
            after: selection.after.map(Into::into),
        }
    }
}

impl From<wit::records::Page> for plain::records::Page {
    fn from(page: wit::records::Page) -> Self {
        Self {
            entries: all(page.entries),
            more: page.more,
        }
    }
}
