//! The command to replay dead letters, and its report: request and reply of `POST /dead-letters/replay`.

use serde::{Deserialize, Serialize};

use crate::{ContractError, LetterPlace, Timestamp, json::Object, parameters::whole_number};

/// Which letters to send again: those that meet all conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayCommand {
    /// Only this one.
    pub letter_id: Option<String>,
    /// Only letters for this peer.
    pub peer: Option<String>,
    /// Only letters that were stored before this time.
    pub before: Option<Timestamp>,
    /// At most this many letters.
    pub limit: u32,
    /// What to do with them.
    pub mode: ReplayMode,
}

/// Whether letters are sent, and where an earlier command stopped: the `next` of its report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayMode {
    /// Send them. If a round is given, only those that are left of it.
    Send {
        /// The round, in the store's numbers.
        round: Option<u64>,
    },
    /// Show what would be sent.
    DryRun {
        /// After this place.
        after: Option<LetterPlace>,
    },
}

impl ReplayCommand {
    /// The most letters in one command, and the default.
    pub const MAX_LIMIT: u32 = 1000;

    /// Parses a body: empty, or an object with `letter_id`, `peer`, `before`, `limit` (1 to 1000), `dry_run` and `cursor`,
    /// all optional.
    ///
    /// # Errors
    /// The first error, naming the field.
    pub fn parse(body: &[u8]) -> Result<Self, ContractError> {
        let mut command = Self {
            letter_id: None,
            peer: None,
            before: None,
            limit: Self::MAX_LIMIT,
            mode: ReplayMode::Send { round: None },
        };
        if body.trim_ascii().is_empty() {
            return Ok(command);
        }
        let invalid = |field, expected| ContractError::FieldInvalid { field, expected };
        let (mut dry_run, mut cursor) = (false, None);
        for (name, value) in Object::from_body(body)?.fields {
            let text = |field, expected| {
                let text = value.as_text().map(std::borrow::Cow::into_owned);
                text.ok_or_else(|| invalid(field, expected))
            };
            match name.as_ref() {
                "limit" => {
                    let limit = value.get().parse().ok();
                    command.limit = limit
                        .filter(|limit| (1..=Self::MAX_LIMIT).contains(limit))
                        .ok_or_else(|| invalid("limit", "a number from 1 to 1000"))?;
                }
                "letter_id" => command.letter_id = Some(text("letter_id", "a string")?),
                "peer" => {
                    const EXPECTED: &str = "\"ingestion\" or \"writer\"";
                    let peer = text("peer", EXPECTED)?;
                    if !matches!(peer.as_str(), "ingestion" | "writer") {
                        return Err(invalid("peer", EXPECTED));
                    }
                    command.peer = Some(peer);
                }
                "before" => {
                    const EXPECTED: &str = "an RFC 3339 timestamp in UTC that ends in Z";
                    let before = Timestamp::parse_utc(&text("before", EXPECTED)?);
                    command.before = Some(before.ok_or_else(|| invalid("before", EXPECTED))?);
                }
                "dry_run" => {
                    dry_run = match value.get() {
                        "true" => true,
                        "false" => false,
                        _ => return Err(invalid("dry_run", "true or false")),
                    };
                }
                "cursor" => cursor = Some(text("cursor", CURSOR)?),
                _ => return Err(ContractError::FieldUnknown(name.into_owned())),
            }
        }
        // A cursor belongs to one of the two modes, which is known only now.
        command.mode = mode(dry_run, cursor.as_deref()).ok_or_else(|| invalid("cursor", CURSOR))?;
        Ok(command)
    }
}

const CURSOR: &str = "the `next` of an earlier report of the same command";

fn mode(dry_run: bool, cursor: Option<&str>) -> Option<ReplayMode> {
    Some(match (dry_run, cursor) {
        (false, None) => ReplayMode::Send { round: None },
        (false, Some(cursor)) => ReplayMode::Send {
            round: Some(whole_number(cursor)?),
        },
        (true, None) => ReplayMode::DryRun { after: None },
        (true, Some(cursor)) => ReplayMode::DryRun {
            after: Some(LetterPlace::from_cursor(cursor)?),
        },
    })
}

/// The outcome of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayReport {
    /// Letters that were delivered and removed from the store.
    pub replayed: u64,
    /// Letters that were sent without success and stay.
    pub failed: u64,
    /// Letters that were not sent, because their peer is down or another replay has them.
    pub postponed: u64,
    /// Why each of the failed ones failed.
    pub failures: Vec<ReplayFailure>,
    /// The `cursor` for a command that continues with the letters that were not reached; absent if there are none.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}

/// A letter that could not be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayFailure {
    /// See [`letter_id`](crate::letter_id).
    pub letter_id: String,
    /// What went wrong, as text.
    pub cause: String,
}

impl ReplayReport {
    /// How many letters the command reached.
    pub const fn reached(&self) -> u64 {
        self.replayed + self.failed + self.postponed
    }
}

/// What a command would send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayPreview {
    /// Always true: nothing was sent.
    pub dry_run: bool,
    /// In the order in which they would be sent.
    pub letters: Vec<LetterSummary>,
    /// The number of letters.
    pub count: usize,
    /// The `cursor` of a command that shows what follows; absent if nothing does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}

/// A letter without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LetterSummary {
    /// See [`letter_id`](crate::letter_id).
    pub letter_id: String,
    /// The message's identity.
    pub id: String,
    /// The peer that it was for.
    pub peer: String,
    /// When it was stored, by the store's clock; RFC 3339, UTC.
    pub stored_at: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_body_and_an_empty_object_ask_for_all() {
        for body in ["", " \n", "{}"] {
            let command = ReplayCommand::parse(body.as_bytes()).unwrap();
            assert_eq!((command.letter_id, command.limit), (None, 1000), "{body:?}");
        }
    }

    #[test]
    fn a_command_may_name_one_letter_and_a_limit() {
        let command = ReplayCommand::parse(br#"{"limit":7,"letter_id":"\u0061b"}"#).unwrap();
        assert_eq!(command.limit, 7);
        assert_eq!(command.letter_id.as_deref(), Some("ab"));
    }

    #[test]
    fn a_command_may_choose_by_peer_and_time_and_continue_an_earlier_one() {
        let body = br#"{"peer":"writer","before":"1970-01-01T00:00:01Z","cursor":"17"}"#;
        let command = ReplayCommand::parse(body).unwrap();
        assert_eq!(command.peer.as_deref(), Some("writer"));
        assert_eq!(command.before, Some(Timestamp::from_micros(1_000_000)));
        assert_eq!(command.mode, ReplayMode::Send { round: Some(17) });

        let dry = ReplayCommand::parse(br#"{"cursor":"17~ab","dry_run":true}"#).unwrap();
        let after = LetterPlace::from_cursor("17~ab");
        assert_eq!(dry.mode, ReplayMode::DryRun { after });
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, culprit) in [
            (r#"{"limit":0}"#, "limit"),
            (r#"{"limit":1001}"#, "limit"),
            (r#"{"limit":1.0}"#, "limit"),
            (r#"{"limit":"5"}"#, "limit"),
            (r#"{"letter_id":5}"#, "letter_id"),
            (r#"{"limit":1,"limit":2}"#, "limit"),
            (r#"{"letters":[]}"#, "letters"),
            (r#"{"peer":"reader"}"#, "peer"),
            (r#"{"peer":null}"#, "peer"),
            (r#"{"before":"yesterday"}"#, "before"),
            (r#"{"before":0}"#, "before"),
            (r#"{"dry_run":"true"}"#, "dry_run"),
            (r#"{"dry_run":1}"#, "dry_run"),
            (r#"{"cursor":17}"#, "cursor"),
            (r#"{"cursor":"x"}"#, "cursor"),
            (r#"{"cursor":""}"#, "cursor"),
            (r#"{"cursor":"1~a"}"#, "cursor"),
            (r#"{"cursor":"1","dry_run":true}"#, "cursor"),
        ] {
            let error = ReplayCommand::parse(body.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(culprit), "{body}: {error}");
        }
    }
}
