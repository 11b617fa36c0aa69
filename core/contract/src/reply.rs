//! The response contract (spec §3): what a receiver writes, and what a sender reads from it.

use crate::{
    ContractError,
    json::{JsonObject, push_name, push_text},
};

/// The content type of every body.
pub const JSON: &str = "application/json";

/// Headers of every reply. Without them, a cache may store the reply to a request with `x-api-key` and return it to other
/// callers: by default, caches only avoid storing replies to requests with `authorization`.
pub const EVERY_REPLY: [(&str, &str); 2] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
];

/// The `error_code` of a 409: the id belongs to a message with another payload.
pub const ID_REUSED: &str = "ID_REUSED";

/// The form of custody after a peer's reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Custody {
    /// 200: it is stored durably at its destination.
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
        object([("status", self.word()), ("id", id)])
    }

    /// Reads a peer's reply: its custody and the id it returned. `None` if it is not a success in the form of the contract.
    /// A 200 from a login page, for example, stores nothing.
    pub fn of_reply(status: u16, body: &[u8]) -> Option<(Self, String)> {
        let said = JsonObject::parse(body)?;
        let (word, id) = (said.text("status")?, said.text("id")?);
        [Self::Received, Self::DeadLettered]
            .into_iter()
            .find(|custody| custody.status() == status && custody.word() == word)
            .map(|custody| (custody, id.into_owned()))
    }
}

/// The body of an error reply. `code` is upper case with underscores.
pub fn error_body(code: &str, message: &str) -> Vec<u8> {
    object([
        ("status", "error"),
        ("error_code", code),
        ("message", message),
    ])
}

/// The body of the reply to a discard: the letter was removed, and reported.
pub fn discarded_body(letter_id: &str) -> Vec<u8> {
    object([("status", "discarded"), ("letter_id", letter_id)])
}

/// The `error_code` of a peer's error reply. `None` if the body is not an error in the form of the contract: something in
/// between, such as a gateway, wrote it, and it says nothing about the message.
pub fn error_code(body: &[u8]) -> Option<String> {
    let said = JsonObject::parse(body)?;
    let (status, code) = (said.text("status")?, said.text("error_code")?);
    (status == "error" && !code.is_empty()).then(|| code.into_owned())
}

/// Whether a reply is one that a function of this contract gives to a message: a success or an error in the contract's
/// form.
pub fn is_in_our_words(status: u16, body: &[u8]) -> bool {
    Custody::of_reply(status, body).is_some() || (status >= 400 && error_code(body).is_some())
}

/// Whether a reply says, in the form of the contract, that the id belongs to a message with another payload.
pub fn is_id_reused(status: u16, body: &[u8]) -> bool {
    status == 409 && error_code(body).is_some_and(|code| code == ID_REUSED)
}

/// Whether a receiver that gives this reply will never accept the message, however often it is sent: the cause is the
/// message's bytes or id, and not the network, the load or the sender's credential. Only replies in the form of the
/// contract count: the same status from a gateway says nothing about the message.
pub fn is_refused_for_good(status: u16, body: &[u8]) -> bool {
    match status {
        400 | 413 => error_code(body).is_some(),
        _ => is_id_reused(status, body),
    }
}

impl ContractError {
    /// The body of the reply to input that violates the contract.
    pub fn body(&self) -> Vec<u8> {
        error_body(self.code().as_str(), &self.to_string())
    }
}

/// An object of strings.
fn object<const N: usize>(fields: [(&str, &str); N]) -> Vec<u8> {
    let length = fields
        .iter()
        .map(|(name, text)| name.len() + text.len() + 6);
    let mut out = String::with_capacity(2 + length.sum::<usize>());
    out.push('{');
    for (name, text) in fields {
        push_name(&mut out, name);
        push_text(&mut out, text);
    }
    out.push('}');
    out.into_bytes()
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
        let body = error_body(ID_REUSED, "used");
        let refused: Vec<_> = (100..600)
            .filter(|status| is_refused_for_good(*status, &body))
            .collect();
        assert_eq!(refused, [400, 409, 413]);
        let other = error_body("FIELD_MISSING", "missing");
        let refused: Vec<_> = (100..600)
            .filter(|status| is_refused_for_good(*status, &other))
            .collect();
        assert_eq!(refused, [400, 413], "a 409 has one meaning only");
    }

    #[test]
    fn what_a_gateway_says_is_no_word_of_ours() {
        for body in [
            "",
            "<html>Conflict</html>",
            "null",
            "[]",
            r#"{"message":"Forbidden"}"#,
            r#"{"status":409,"error_code":"ID_REUSED"}"#,
            r#"{"status":"error"}"#,
            r#"{"status":"error","error_code":""}"#,
            r#"{"status":"error","error_code":7}"#,
            r#"{"status":"failed","error_code":"ID_REUSED"}"#,
            r#"{"status":"error","error_code":"ID_REUSED""#,
        ] {
            assert_eq!(error_code(body.as_bytes()), None, "{body}");
            for status in [200, 202, 400, 409, 413, 500] {
                assert!(!is_in_our_words(status, body.as_bytes()), "{body}");
                assert!(!is_refused_for_good(status, body.as_bytes()), "{body}");
            }
            assert!(!is_id_reused(409, body.as_bytes()), "{body}");
        }
        let more = br#" {"more": [1], "status": "\u0065rror", "error_code": "ID_REUSED"} "#;
        assert_eq!(error_code(more).as_deref(), Some(ID_REUSED));
        assert!(is_id_reused(409, more) && !is_id_reused(400, more));
        assert!(is_in_our_words(409, more) && !is_in_our_words(200, more));
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
