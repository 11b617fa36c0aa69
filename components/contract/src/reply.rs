//! The response contract (specification section 3): what a receiver says, and what a sender reads from it.

use serde::{Deserialize, Serialize, de::IgnoredAny};

use crate::ContractError;

/// The content type of every body.
pub const JSON: &str = "application/json";

/// Headers of every reply. Without them a cache may store what a request with `x-api-key` is answered, and give it to others: it
/// keeps its hands off `authorization` only.
pub const EVERY_REPLY: [(&str, &str); 2] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
];

/// The body of the reply to a discard.
#[derive(Debug, Serialize)]
struct Discarded<'a> {
    status: &'a str,
    letter_id: &'a str,
}

/// The body of a success.
#[derive(Debug, Serialize, Deserialize)]
struct Success<'a> {
    status: &'a str,
    id: std::borrow::Cow<'a, str>,
}

/// The body of an error.
#[derive(Debug, Serialize)]
struct Error<'a> {
    status: &'a str,
    error_code: &'a str,
    message: &'a str,
}

/// Who has a message that a peer answered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Custody {
    /// 200: it is durable where it was going.
    Received,
    /// 202: the peer could not deliver it, but keeps it among its dead letters.
    DeadLettered,
}

impl Custody {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::Received => 200,
            Self::DeadLettered => 202,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::DeadLettered => "dead-lettered",
        }
    }

    /// The body of the reply.
    pub fn body(self, id: &str) -> Vec<u8> {
        to_json(&Success {
            status: self.word(),
            id: id.into(),
        })
    }

    /// Reads a peer's reply: its custody and the id it gave. None if it is no success in the words of the contract. A
    /// 200 of a login page is none: nobody has stored anything.
    pub fn of_reply(status: u16, body: &[u8]) -> Option<(Self, String)> {
        let success: Success<'_> = serde_json::from_slice(body).ok()?;
        [Self::Received, Self::DeadLettered]
            .into_iter()
            .find(|custody| custody.status() == status && custody.word() == success.status)
            .map(|custody| (custody, success.id.into_owned()))
    }
}

/// The body of an error reply. `code` is upper case with underscores.
pub fn error_body(code: &str, message: &str) -> Vec<u8> {
    to_json(&Error {
        status: "error",
        error_code: code,
        message,
    })
}

/// The body of the reply to a discard: the letter is gone, and was reported.
pub fn discarded_body(letter_id: &str) -> Vec<u8> {
    to_json(&Discarded {
        status: "discarded",
        letter_id,
    })
}

/// Whether a receiver that answers so will never take this message, however often it is sent: its bytes or its id are wrong, and
/// not the way to it, its load or the sender's credential.
pub const fn is_refused_for_good(status: u16) -> bool {
    matches!(status, 400 | 409 | 413)
}

/// Whether a peer's body is JSON at all, and not the page of some gateway in between.
pub fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(body).is_ok()
}

impl ContractError {
    /// The body of the reply to input that does not keep the contract.
    pub fn body(&self) -> Vec<u8> {
        error_body(self.code(), &self.to_string())
    }
}

/// Structs of strings always serialize.
fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_the_specifications() {
        assert_eq!(
            Custody::Received.body("a"),
            br#"{"status":"received","id":"a"}"#
        );
        assert_eq!(
            Custody::DeadLettered.body("a"),
            br#"{"status":"dead-lettered","id":"a"}"#
        );
        assert_eq!(
            ContractError::FieldMissing("payload").body(),
            br#"{"status":"error","error_code":"FIELD_MISSING","message":"the field `payload` is missing"}"#
        );
    }

    #[test]
    fn only_what_is_about_the_message_itself_is_refused_for_good() {
        let refused: Vec<_> = (100..600)
            .filter(|status| is_refused_for_good(*status))
            .collect();
        assert_eq!(refused, [400, 409, 413]);
    }

    #[test]
    fn only_the_contracts_words_are_a_success() {
        let received = |status, body: &str| Custody::of_reply(status, body.as_bytes());
        let good = r#"{"status": "received", "id": "x", "more": 1}"#;
        assert_eq!(
            received(200, good),
            Some((Custody::Received, "x".to_owned()))
        );
        let kept = r#"{"status":"dead-lettered","id":"\u0078"}"#;
        assert_eq!(
            received(202, kept),
            Some((Custody::DeadLettered, "x".to_owned()))
        );
        for (status, body) in [
            (202, good),
            (201, good),
            (200, kept),
            (200, "<html>"),
            (200, ""),
            (200, r#"{"status":"received"}"#),
            (200, r#"{"status":"ok","id":"x"}"#),
            (204, ""),
            (302, good),
        ] {
            assert_eq!(received(status, body), None, "{status} {body}");
        }
    }
}
