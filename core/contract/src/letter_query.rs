//! The query strings of the routes for dead letters.

use crate::{ContractError, LetterPlace, Query, parameters::parameters, query::limit};

/// The query string of `GET /dead-letters`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterQuery {
    /// The end of the previous page.
    pub after: Option<LetterPlace>,
    /// 1 to 1000; 100 if absent.
    pub limit: u32,
}

impl LetterQuery {
    /// Parses the query string.
    ///
    /// # Errors
    /// If a parameter has a wrong value, or is unknown, malformed or repeated.
    pub fn parse(query: &str) -> Result<Self, ContractError> {
        let mut parsed = Self {
            after: None,
            limit: Query::DEFAULT_LIMIT,
        };
        for (name, value) in parameters(query)? {
            match name.as_ref() {
                "cursor" => {
                    let after = LetterPlace::from_cursor(&value);
                    parsed.after = Some(after.ok_or(ContractError::ParameterInvalid {
                        parameter: "cursor",
                        expected: "the `next` of an earlier page",
                    })?);
                }
                "limit" => parsed.limit = limit(&value)?,
                _ => return Err(ContractError::ParameterUnknown(name.into_owned())),
            }
        }
        Ok(parsed)
    }
}

/// The query string of `DELETE /dead-letters/{id}`: why the letter is discarded, in 1 to 500 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscardReason(String);

impl DiscardReason {
    /// The longest reason, in characters.
    pub const MAX: usize = 500;

    /// Parses the query string.
    ///
    /// # Errors
    /// If `reason` is missing, empty, too long or not one line, or if there is another parameter.
    pub fn parse(query: &str) -> Result<Self, ContractError> {
        let mut reason = None;
        for (name, value) in parameters(query)? {
            match name.as_ref() {
                "reason" => reason = Some(value.trim().to_owned()),
                _ => return Err(ContractError::ParameterUnknown(name.into_owned())),
            }
        }
        let reason = reason.ok_or(ContractError::ParameterMissing("reason"))?;
        let fits = (1..=Self::MAX).contains(&reason.chars().count());
        if fits && !reason.contains(char::is_control) {
            return Ok(Self(reason));
        }
        Err(ContractError::ParameterInvalid {
            parameter: "reason",
            expected: "one line of 1 to 500 characters",
        })
    }

    /// The reason, without surrounding spaces.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_hundred_letters_from_the_start_unless_it_is_told_otherwise() {
        let query = LetterQuery::parse("").expect("valid");
        assert_eq!((query.after, query.limit), (None, 100));
        let query = LetterQuery::parse("limit=7&cursor=3~ab").expect("valid");
        assert_eq!(query.limit, 7);
        assert_eq!(query.after, LetterPlace::from_cursor("3~ab"));
    }

    #[test]
    fn everything_wrong_is_named() {
        for (query, named) in [
            ("cursor=garbage", "`cursor` must be"),
            ("cursor=", "`cursor` must be"),
            ("cursor=0", "`cursor` must be"),
            ("cursor=%ff", "`cursor`"),
            ("limit=0", "`limit` must be"),
            ("limit=%2B5", "`limit` must be"),
            (
                "limit=1&limit=1",
                "`limit` is unknown or given more than once",
            ),
            ("peer=writer", "`peer` is unknown"),
        ] {
            let error = LetterQuery::parse(query).expect_err(query).to_string();
            assert!(error.contains(named), "{query}: {error}");
        }
    }

    #[test]
    fn a_reason_is_one_line_of_1_to_500_characters() {
        let reason = DiscardReason::parse("reason=+test+data%21 ").expect("valid");
        assert_eq!(reason.as_str(), "test data!");
        let long = format!("reason={}", "é".repeat(500));
        assert!(DiscardReason::parse(&long).is_ok());
        for (query, named) in [
            ("", "`reason` is missing"),
            ("reason=", "`reason` must be"),
            ("reason=+", "`reason` must be"),
            ("reason=a%0Ab", "`reason` must be"),
            (&format!("{long}é"), "`reason` must be"),
            (
                "reason=a&reason=b",
                "`reason` is unknown or given more than once",
            ),
            ("reason=a&why=b", "`why` is unknown"),
        ] {
            let error = DiscardReason::parse(query).expect_err(query).to_string();
            assert!(error.contains(named), "{query}: {error}");
        }
    }
}
