//! The id of a message, the same from the first hop to the record, and the digests from which ids are derived.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::ContractError;

/// The id of a message: 1 to 128 of `A-Z a-z 0-9 . _ : -`. Sent as `idempotency-key`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(String);

/// Whether a text can be a twin's name, which is part of every key: 1 to 64 of `A-Z a-z 0-9 . _ -`.
pub fn is_twin_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

impl MessageId {
    /// Parses an id that a sender gave.
    ///
    /// # Errors
    /// [`ContractError::IdInvalid`] if it is empty, too long or contains another character.
    pub fn parse(text: &str) -> Result<Self, ContractError> {
        let valid = (1..=128).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte));
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(ContractError::IdInvalid)
        }
    }

    /// The id of an envelope that came without one: the digest of its bytes, which makes a sender's retry recognisable.
    pub fn of_envelope(bytes: &[u8], sha256: Sha256Hex) -> Self {
        Self(sha256(bytes))
    }

    /// The id of a device message with its own time: a retry by the device has the same id, another reading has another.
    pub fn of_reading(device_id: &str, timestamp: &str, payload: &[u8], sha256: Sha256Hex) -> Self {
        let parts = [device_id.as_bytes(), timestamp.as_bytes(), payload];
        Self(digest_of_parts(parts, sha256))
    }

    /// The id of a device message without a time: a UUID version 7.
    pub fn unique(unix_ms: u64, random: [u8; 10]) -> Self {
        let uuid = uuid::Builder::from_unix_timestamp_millis(unix_ms, &random).into_uuid();
        Self(uuid.to_string())
    }

    /// The trace id of a message that came without one. A sender's retry gets the same trace id, and so the same envelope.
    pub fn trace_id(&self) -> String {
        let mut trace_id = digest(self.0.as_bytes());
        trace_id.truncate(32);
        trace_id
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A function that hashes the bytes of messages: [`digest`], or a faster one with the same result. A component uses its
/// host's, which can use the processor's instructions for it.
pub type Sha256Hex = fn(&[u8]) -> String;

/// Lower-case hex SHA-256.
pub fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The digest of several parts in one buffer. Each part is preceded by its length, so different lists never give the same
/// bytes.
pub(crate) fn digest_of_parts(parts: [&[u8]; 3], sha256: Sha256Hex) -> String {
    let length = parts.iter().map(|part| size_of::<u64>() + part.len());
    let mut buffer = Vec::with_capacity(length.sum());
    for part in parts {
        buffer.extend_from_slice(&(part.len() as u64).to_be_bytes());
        buffer.extend_from_slice(part);
    }
    sha256(&buffer)
}

/// Lower-case hex.
fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        out.push(digit(byte >> 4));
        out.push(digit(byte & 15));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_1_to_128_of_a_small_alphabet() {
        for good in ["a", "A.b_c:d-9", &"x".repeat(128)] {
            assert_eq!(MessageId::parse(good).expect("valid").as_str(), good);
        }
        for bad in ["", " ", "a b", "é", "a/b", "a\n", &"x".repeat(129)] {
            assert_eq!(
                MessageId::parse(bad),
                Err(ContractError::IdInvalid),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_reading_is_known_by_device_time_and_payload() {
        let id = |device, time, payload: &str| {
            MessageId::of_reading(device, time, payload.as_bytes(), digest)
        };
        let first = id("d1", "t", "{}");
        assert_eq!(first, id("d1", "t", "{}"));
        for other in [
            id("d1t", "", "{}"),
            id("d1", "u", "{}"),
            id("d1", "t", "{ }"),
        ] {
            assert_ne!(first, other);
        }
    }

    /// Ids must not change between releases, or a device's retry would be stored again.
    #[test]
    fn the_id_of_a_reading_is_what_it_always_was() {
        let payload = br#"{"device_id":"sensor-001","temperature":25.40}"#;
        let id = MessageId::of_reading("sensor-001", "2026-01-01T00:00:00Z", payload, digest);
        assert_eq!(
            id.as_str(),
            "1a163c65c991a9c49ff36b3c404642da4a84b471d8e563f0b46a43318bb1de52"
        );
    }

    #[test]
    fn a_unique_id_is_a_uuid_of_version_7_that_holds_its_time() {
        let id = MessageId::unique(0x0123_4567_89ab, [0xff; 10]);
        assert_eq!(id.as_str(), "01234567-89ab-7fff-bfff-ffffffffffff");
        assert_eq!(MessageId::parse(id.as_str()), Ok(id));
    }

    #[test]
    fn a_trace_follows_from_the_id() {
        let id = |text| MessageId::parse(text).expect("valid");
        assert_eq!(id("a").trace_id().len(), 32);
        assert_eq!(id("a").trace_id(), id("a").trace_id());
        assert_ne!(id("a").trace_id(), id("b").trace_id());
    }

    #[test]
    fn digests_are_hex_sha_256() {
        assert_eq!(
            digest(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
