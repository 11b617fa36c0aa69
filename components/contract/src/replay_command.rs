//! The command to replay dead letters: the body of `POST /dead-letters/replay`.

use crate::{ContractError, json::Object};

/// Which letters to send again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayCommand {
    /// Only this one.
    pub letter_id: Option<String>,
    /// At most so many.
    pub limit: u32,
}

impl ReplayCommand {
    /// Letters of one command, at most and if it says nothing.
    pub const MAX_LIMIT: u32 = 1000;

    /// Parses a body: empty, or an object with `limit` (1 to 1000) and `letter_id`, both optional.
    ///
    /// # Errors
    /// The first thing that is wrong, named.
    pub fn parse(body: &[u8]) -> Result<Self, ContractError> {
        let mut command = Self {
            letter_id: None,
            limit: Self::MAX_LIMIT,
        };
        if body.trim_ascii().is_empty() {
            return Ok(command);
        }
        let invalid = |field, expected| ContractError::FieldInvalid { field, expected };
        for (name, value) in Object::from_body(body)?.fields {
            match name.as_ref() {
                "limit" => {
                    let limit = value.get().parse().ok();
                    command.limit = limit
                        .filter(|limit| (1..=Self::MAX_LIMIT).contains(limit))
                        .ok_or_else(|| invalid("limit", "a number from 1 to 1000"))?;
                }
                "letter_id" => {
                    let text = value
                        .as_text()
                        .ok_or_else(|| invalid("letter_id", "a string"))?;
                    command.letter_id = Some(text.into_owned());
                }
                _ => return Err(ContractError::FieldUnknown(name.into_owned())),
            }
        }
        Ok(command)
    }
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
    fn what_is_wrong_is_named() {
        for (body, culprit) in [
            (r#"{"limit":0}"#, "limit"),
            (r#"{"limit":1001}"#, "limit"),
            (r#"{"limit":1.0}"#, "limit"),
            (r#"{"limit":"5"}"#, "limit"),
            (r#"{"letter_id":5}"#, "letter_id"),
            (r#"{"limit":1,"limit":2}"#, "limit"),
            (r#"{"letters":[]}"#, "letters"),
        ] {
            let error = ReplayCommand::parse(body.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(culprit), "{body}: {error}");
        }
    }
}
