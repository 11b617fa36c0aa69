//! The meaning of a peer's reply, or of a missing reply (spec §3, "Response Contract").

use std::time::Duration;

use twin_capabilities::peers::{Reply, SendFailure};
use twin_contract::{
    Timestamp,
    reply::{Custody, is_id_reused, is_in_our_words},
};

use crate::retry_after::wish;

/// What an attempt means for the circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Signal {
    /// The peer works.
    Success,
    /// 429, 5xx, unreachable or timed out.
    Failure,
    /// Nothing: the fault is on the sender's side.
    Nothing,
}

/// What to do with the message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// The peer has taken over custody.
    Delivered {
        /// The form of custody.
        custody: Custody,
        /// The id that the peer returned.
        id: String,
    },
    /// No such peer is bound: nothing was sent.
    Unbound,
    /// 409 in the form of the contract: its id belongs to another message. The sender must be told; a letter would always
    /// fail.
    Conflict,
    /// This host could not send, and the peer is not at fault. Retryable; a letter is not needed, as long as the caller can
    /// be told that it still has the message.
    Exhausted {
        /// Text for the log.
        cause: String,
    },
    /// A failure that is retryable.
    Retryable {
        /// The peer's status, if it replied.
        status: Option<u16>,
        /// Text for the letter.
        cause: String,
        /// How long the peer asks to wait.
        retry_after: Option<Duration>,
    },
    /// A permanent failure: a retry cannot succeed without intervention.
    Permanent {
        /// The peer's status, if it replied.
        status: Option<u16>,
        /// Text for the letter.
        cause: String,
    },
}

impl Verdict {
    /// Judges an attempt. `now` is needed for a `Retry-After` that is a date.
    pub fn of(attempt: &Result<Reply, SendFailure>, now: Timestamp) -> Self {
        match attempt {
            Ok(reply) => Self::of_reply(reply, now),
            Err(failure) => Self::of_failure(failure),
        }
    }

    /// A reply that ends custody of a message counts only in the form of the contract; any other may come from a gateway.
    fn of_reply(reply: &Reply, now: Timestamp) -> Self {
        let Reply {
            status,
            headers,
            body,
        } = reply;
        let status = *status;
        if let Some((custody, id)) = Custody::of_reply(status, body) {
            return Self::Delivered { custody, id };
        }
        if is_id_reused(status, body) {
            return Self::Conflict;
        }
        match status {
            408 | 425 | 429 | 500..=599 => Self::Retryable {
                status: Some(status),
                cause: format!("HTTP {status}"),
                retry_after: wish(headers, now),
            },
            200 | 202 | 409 if !is_in_our_words(status, body) => Self::Permanent {
                status: Some(status),
                cause: format!("HTTP {status} without the contract's body"),
            },
            _ => Self::Permanent {
                status: Some(status),
                cause: format!("HTTP {status}"),
            },
        }
    }

    fn of_failure(failure: &SendFailure) -> Self {
        let (status, cause) = (None, failure.to_string());
        match failure {
            SendFailure::UnknownPeer => Self::Unbound,
            SendFailure::Exhausted(_) => Self::Exhausted { cause },
            SendFailure::Unreachable(_)
            | SendFailure::TimedOut
            | SendFailure::CredentialsUnavailable(_) => Self::Retryable {
                status,
                cause,
                retry_after: None,
            },
            SendFailure::RefusedByPolicy(_) | SendFailure::Other(_) => {
                Self::Permanent { status, cause }
            }
        }
    }
}

impl Signal {
    /// What an attempt shows about the peer's health. A refusal counts as healthy, because the peer answered.
    pub const fn of(attempt: &Result<Reply, SendFailure>) -> Self {
        match attempt {
            Ok(Reply {
                status: 429 | 500..=599,
                ..
            }) => Self::Failure,
            Ok(_) => Self::Success,
            Err(SendFailure::Unreachable(_) | SendFailure::TimedOut) => Self::Failure,
            Err(_) => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(0);

    fn with_body(status: u16, body: &str) -> Result<Reply, SendFailure> {
        Ok(Reply {
            status,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        })
    }

    fn reply(status: u16) -> Result<Reply, SendFailure> {
        with_body(
            status,
            r#"{"status":"error","error_code":"X","message":"y"}"#,
        )
    }

    #[test]
    fn success_is_the_contracts_word_with_its_status() {
        for (status, body, custody) in [
            (200, r#"{"status":"received","id":"i"}"#, Custody::Received),
            (
                202,
                r#"{"status":"dead-lettered","id":"i"}"#,
                Custody::DeadLettered,
            ),
        ] {
            let id = "i".to_owned();
            assert_eq!(
                Verdict::of(&with_body(status, body), NOW),
                Verdict::Delivered { custody, id }
            );
        }
    }

    #[test]
    fn each_status_has_its_meaning_and_its_signal() {
        for status in [408, 425, 429, 500, 501, 502, 503, 504, 599] {
            assert!(
                matches!(Verdict::of(&reply(status), NOW), Verdict::Retryable { .. }),
                "{status}"
            );
        }
        for status in [
            200, 201, 202, 204, 301, 302, 307, 400, 401, 403, 404, 405, 409, 410, 413, 422,
        ] {
            assert!(
                matches!(Verdict::of(&reply(status), NOW), Verdict::Permanent { .. }),
                "{status}"
            );
            assert_eq!(Signal::of(&reply(status)), Signal::Success, "{status}");
        }
        for status in [429, 500, 503, 599] {
            assert_eq!(Signal::of(&reply(status)), Signal::Failure, "{status}");
        }
        for status in [408, 409, 425] {
            assert_eq!(Signal::of(&reply(status)), Signal::Success, "{status}");
        }
    }

    #[test]
    fn a_conflict_is_the_contracts_word_with_its_status() {
        let of = |status, body: &str| Verdict::of(&with_body(status, body), NOW);
        let used = r#"{"status":"error","error_code":"ID_REUSED","message":"m"}"#;
        assert_eq!(of(409, used), Verdict::Conflict);
        for (status, body, cause) in [
            (400, used, "HTTP 400"),
            (
                409,
                "<html>Conflict</html>",
                "HTTP 409 without the contract's body",
            ),
            (409, "", "HTTP 409 without the contract's body"),
            (
                409,
                r#"{"error_code":"ID_REUSED"}"#,
                "HTTP 409 without the contract's body",
            ),
            (
                409,
                r#"{"status":"error","error_code":"OTHER"}"#,
                "HTTP 409",
            ),
        ] {
            let expected = Verdict::Permanent {
                status: Some(status),
                cause: cause.to_owned(),
            };
            assert_eq!(of(status, body), expected, "{body}");
        }
    }

    #[test]
    fn silence_is_retryable_and_our_own_faults_say_nothing_of_the_peer() {
        let exhausted = Err(SendFailure::Exhausted("no descriptors".into()));
        assert!(matches!(
            Verdict::of(&exhausted, NOW),
            Verdict::Exhausted { .. }
        ));
        assert_eq!(Signal::of(&exhausted), Signal::Nothing);
        let unbound = Err(SendFailure::UnknownPeer);
        assert_eq!(Verdict::of(&unbound, NOW), Verdict::Unbound);
        assert_eq!(Signal::of(&unbound), Signal::Nothing);
        for (failure, retryable, signal) in [
            (
                SendFailure::Unreachable("refused".into()),
                true,
                Signal::Failure,
            ),
            (SendFailure::TimedOut, true, Signal::Failure),
            (
                SendFailure::CredentialsUnavailable("vault".into()),
                true,
                Signal::Nothing,
            ),
            (
                SendFailure::RefusedByPolicy("header".into()),
                false,
                Signal::Nothing,
            ),
            (
                SendFailure::Other("too long".into()),
                false,
                Signal::Nothing,
            ),
        ] {
            let outcome = Err(failure);
            let verdict = Verdict::of(&outcome, NOW);
            assert_eq!(
                matches!(verdict, Verdict::Retryable { .. }),
                retryable,
                "{verdict:?}"
            );
            assert_eq!(Signal::of(&outcome), signal);
        }
    }
}
