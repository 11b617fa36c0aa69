//! Dead letters as shown by the connector's routes and by the command line.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    MessageId,
    identity::{Sha256Hex, digest_of_parts},
    parameters::whole_number,
};

/// Derives a letter's id from its content. The same message for the same peer is one letter, however often it is stored;
/// another message with the same id is another letter.
pub fn letter_id(peer: &str, id: &str, envelope: &[u8], sha256: Sha256Hex) -> String {
    let digest = digest_of_parts([peer.as_bytes(), id.as_bytes(), envelope], sha256);
    // 128 bits: as unlikely to collide as a UUID, and short enough to type.
    digest.get(..32).unwrap_or_default().to_owned()
}

/// One attempt to deliver.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// RFC 3339, UTC.
    pub at: String,
    /// The peer's status, if it replied.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// What went wrong, as text.
    pub cause: String,
}

/// A message that could not be delivered, with its history.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DeadLetter {
    /// See [`letter_id`].
    pub letter_id: String,
    /// The message's identity.
    pub id: String,
    /// The peer that it was for.
    pub peer: String,
    /// The message's trace.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub trace_id: Option<String>,
    /// Each attempt and the cause of its failure.
    pub attempts: Vec<Attempt>,
    /// RFC 3339, UTC.
    pub first_failure_at: String,
    /// RFC 3339, UTC.
    pub last_failure_at: String,
    /// When it was stored, by the store's clock; RFC 3339, UTC.
    pub stored_at: String,
    /// When the lease of a replay ends; RFC 3339, UTC.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub leased_until: Option<String>,
    /// The envelope, verbatim.
    pub envelope: Box<RawValue>,
}

/// A place in an order of letters: right after the letter with this number and id. As a cursor it is opaque to callers, and
/// has the same form on every store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterPlace {
    /// The letter's number in the order.
    pub number: u64,
    /// The letter's id.
    pub letter_id: String,
}

impl LetterPlace {
    /// The cursor that continues after this place.
    pub fn to_cursor(&self) -> String {
        format!("{}~{}", self.number, self.letter_id)
    }

    /// Reads a cursor; `None` if the text is not one.
    pub fn from_cursor(cursor: &str) -> Option<Self> {
        let (number, letter_id) = cursor.split_once('~')?;
        let letter_id = MessageId::parse(letter_id).ok()?;
        let place = Self {
            number: whole_number(number)?,
            letter_id: letter_id.as_str().to_owned(),
        };
        // A number has exactly one spelling, so text that only resembles a cursor is rejected.
        (place.to_cursor() == cursor).then_some(place)
    }
}

impl DeadLetter {
    /// An envelope's bytes as JSON to embed; bytes that are not JSON (which no connector stores) as a string.
    pub fn embed(envelope: Vec<u8>) -> Box<RawValue> {
        let text = String::from_utf8_lossy(&envelope).into_owned();
        RawValue::from_string(text)
            .or_else(|_| serde_json::value::to_raw_value(&String::from_utf8_lossy(&envelope)))
            .unwrap_or_else(|_| RawValue::NULL.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest;

    #[test]
    fn a_letter_is_known_by_peer_id_and_bytes() {
        let first = letter_id("writer", "a", b"{}", digest);
        assert_eq!(first, "50cae3df3e0f0e645c2dd01e4dca6e38");
        assert_eq!(first, letter_id("writer", "a", b"{}", digest));
        for (peer, id, envelope) in [
            ("writera", "", "{}"),
            ("writer", "b", "{}"),
            ("writer", "a", "{ }"),
        ] {
            assert_ne!(first, letter_id(peer, id, envelope.as_bytes(), digest));
        }
    }

    #[test]
    fn an_envelope_is_embedded_verbatim() {
        assert_eq!(
            DeadLetter::embed(br#"{"n":1.50}"#.to_vec()).get(),
            r#"{"n":1.50}"#
        );
        assert_eq!(
            DeadLetter::embed(b"not json".to_vec()).get(),
            "\"not json\""
        );
    }

    #[test]
    fn a_place_reads_back_from_its_cursor_and_nothing_else_is_one() {
        let place = LetterPlace {
            number: u64::MAX,
            letter_id: "50cae3df3e0f0e645c2dd01e4dca6e38".to_owned(),
        };
        assert_eq!(LetterPlace::from_cursor(&place.to_cursor()), Some(place));
        for text in [
            "",
            "garbage",
            "0",
            "-1",
            "1~",
            "~a",
            "+1~a",
            " 1~a",
            "1~a b",
            "1.0~a",
            "-1~a",
            "1e3~a",
            "01~a",
            "18446744073709551616~a",
        ] {
            assert_eq!(LetterPlace::from_cursor(text), None, "{text:?}");
        }
    }
}
