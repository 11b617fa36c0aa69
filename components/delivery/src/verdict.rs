//! What a peer's answer, or its silence, means (specification section 3, "Response Contract").

use twin_contract::reply::Custody;

/// What came of one attempt.
#[derive(Clone, Debug)]
pub enum Outcome<'a> {
    /// The peer replied.
    Reply {
        /// HTTP status.
        status: u16,
        /// The header, as it came.
        retry_after: Option<&'a str>,
        /// The body.
        body: &'a [u8],
    },
    /// There is no reply.
    Failure(SendFailure),
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendFailure {
    /// The peer could not be reached, or the connection broke.
    Unreachable(String),
    /// No whole reply in time.
    TimedOut,
    /// The host could not get the credential to present.
    CredentialsUnavailable(String),
    /// The host will not send this.
    RefusedByPolicy(String),
    /// Anything else.
    Other(String),
}

/// What an attempt tells the circuit breaker about the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// It is there and works.
    Success,
    /// 429, 5xx, unreachable or timed out.
    Failure,
    /// Nothing: the fault is on this side.
    Nothing,
}

/// What to do with the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Somebody else has it now.
    Delivered {
        /// Where it is.
        custody: Custody,
        /// The id that the peer gave.
        id: String,
    },
    /// 409: its id belongs to another message. Its sender must know; a letter would fail for ever.
    Conflict,
    /// It may go well another time.
    Retryable {
        /// The peer's status, if it replied.
        status: Option<u16>,
        /// In words, for the letter.
        cause: String,
        /// The peer's wish, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// It will not go well without somebody's help.
    Permanent {
        /// The peer's status, if it replied.
        status: Option<u16>,
        /// In words, for the letter.
        cause: String,
    },
}

impl Verdict {
    /// Judges an attempt. `unix_seconds` is now, for a `Retry-After` that is a date.
    pub fn of(outcome: &Outcome<'_>, unix_seconds: u64) -> Self {
        match outcome {
            Outcome::Reply {
                status,
                retry_after,
                body,
            } => Self::of_reply(*status, *retry_after, body, unix_seconds),
            Outcome::Failure(failure) => Self::of_failure(failure),
        }
    }

    fn of_reply(status: u16, retry_after: Option<&str>, body: &[u8], unix_seconds: u64) -> Self {
        if let Some((custody, id)) = Custody::of_reply(status, body) {
            return Self::Delivered { custody, id };
        }
        match status {
            409 => Self::Conflict,
            408 | 425 | 429 | 500..=599 => Self::Retryable {
                status: Some(status),
                cause: format!("HTTP {status}"),
                retry_after_ms: retry_after.and_then(|text| parse_retry_after(text, unix_seconds)),
            },
            200 | 202 => Self::Permanent {
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
        let retryable = |cause| Self::Retryable {
            status: None,
            cause,
            retry_after_ms: None,
        };
        let permanent = |cause| Self::Permanent {
            status: None,
            cause,
        };
        match failure {
            SendFailure::Unreachable(text) => retryable(format!("unreachable: {text}")),
            SendFailure::TimedOut => retryable("timed out".to_owned()),
            SendFailure::CredentialsUnavailable(text) => {
                retryable(format!("credentials unavailable: {text}"))
            }
            SendFailure::RefusedByPolicy(text) => permanent(format!("refused by policy: {text}")),
            SendFailure::Other(text) => permanent(text.clone()),
        }
    }
}

impl Signal {
    /// What an attempt says about the peer's health. A refusal is healthy: somebody answered.
    pub const fn of(outcome: &Outcome<'_>) -> Self {
        match outcome {
            Outcome::Reply {
                status: 429 | 500..=599,
                ..
            } => Self::Failure,
            Outcome::Reply { .. } => Self::Success,
            Outcome::Failure(SendFailure::Unreachable(_) | SendFailure::TimedOut) => Self::Failure,
            Outcome::Failure(_) => Self::Nothing,
        }
    }
}

/// `Retry-After` in milliseconds: seconds, or an HTTP date; one in the past is no wait. Nonsense is no wish.
fn parse_retry_after(text: &str, unix_seconds: u64) -> Option<u64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let seconds = date
        .duration_since(std::time::UNIX_EPOCH)
        .ok()?
        .as_secs()
        .saturating_sub(unix_seconds);
    Some(seconds.saturating_mul(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16) -> Outcome<'static> {
        Outcome::Reply {
            status,
            retry_after: None,
            body: br#"{"status":"error","error_code":"X","message":"y"}"#,
        }
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
            let outcome = Outcome::Reply {
                status,
                retry_after: None,
                body: body.as_bytes(),
            };
            let id = "i".to_owned();
            assert_eq!(Verdict::of(&outcome, 0), Verdict::Delivered { custody, id });
        }
    }

    #[test]
    fn each_status_has_its_meaning_and_its_signal() {
        for status in [408, 425, 429, 500, 501, 502, 503, 504, 599] {
            assert!(
                matches!(Verdict::of(&reply(status), 0), Verdict::Retryable { .. }),
                "{status}"
            );
        }
        for status in [
            200, 201, 202, 204, 301, 302, 307, 400, 401, 403, 404, 405, 410, 413, 422,
        ] {
            assert!(
                matches!(Verdict::of(&reply(status), 0), Verdict::Permanent { .. }),
                "{status}"
            );
            assert_eq!(Signal::of(&reply(status)), Signal::Success, "{status}");
        }
        assert_eq!(Verdict::of(&reply(409), 0), Verdict::Conflict);
        for status in [429, 500, 503, 599] {
            assert_eq!(Signal::of(&reply(status)), Signal::Failure, "{status}");
        }
        for status in [408, 409, 425] {
            assert_eq!(Signal::of(&reply(status)), Signal::Success, "{status}");
        }
    }

    #[test]
    fn silence_is_retryable_and_our_own_faults_say_nothing_of_the_peer() {
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
            let outcome = Outcome::Failure(failure);
            let verdict = Verdict::of(&outcome, 0);
            assert_eq!(
                matches!(verdict, Verdict::Retryable { .. }),
                retryable,
                "{verdict:?}"
            );
            assert_eq!(Signal::of(&outcome), signal);
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        for (text, expected) in [
            ("3", Some(3_000)),
            (" 0 ", Some(0)),
            ("Fri, 27 Oct 2023 10:00:10 GMT", Some(10_000)),
            ("Fri, 27 Oct 2023 09:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(parse_retry_after(text, 1_698_400_800), expected, "{text}");
        }
    }
}
