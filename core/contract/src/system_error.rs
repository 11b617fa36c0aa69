//! System errors (spec §4, "Error Payload to Database"): exactly these fields, on every cloud.

use serde::Serialize;
use std::str::FromStr;

use crate::{Cloud, ContractError, MAX_RAW_DATA, Timestamp, json::Object};

/// The severity of a system error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// Data is lost or at risk.
    Critical,
    /// Service is degraded, data is safe.
    Warning,
    /// Service is restored.
    Info,
}

impl FromStr for Severity {
    type Err = ContractError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "CRITICAL" => Ok(Self::Critical),
            "WARNING" => Ok(Self::Warning),
            "INFO" => Ok(Self::Info),
            _ => Err(ContractError::FieldInvalid {
                field: "severity",
                expected: "\"CRITICAL\", \"WARNING\" or \"INFO\"",
            }),
        }
    }
}

/// An event on the error topic, and a record of the error reporter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SystemError {
    /// The twin's name.
    pub twin_id: String,
    /// `aws`, `azure` or `gcp`.
    pub cloud_provider: String,
    /// The severity.
    pub severity: Severity,
    /// `L1-Connector`, `L3-Writer`, …
    pub component: String,
    /// Upper case with underscores: `DELIVERY_DEAD_LETTERED`.
    pub error_code: String,
    /// Text for a person.
    pub message: String,
    /// RFC 3339, UTC.
    pub timestamp: String,
    /// The payload that caused it, truncated to [`MAX_RAW_DATA`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_data: Option<String>,
}

const FIELDS: [&str; 8] = [
    "twin_id",
    "cloud_provider",
    "severity",
    "component",
    "error_code",
    "message",
    "timestamp",
    "raw_data",
];

impl SystemError {
    /// Parses and validates an event from the error topic.
    ///
    /// # Errors
    /// The first error, naming the field. A field that the specification does not have is also an error.
    pub fn parse(body: &[u8]) -> Result<Self, ContractError> {
        let object = Object::from_body(body)?;
        if let Some((name, _)) = object
            .fields
            .iter()
            .find(|(name, _)| !FIELDS.contains(&name.as_ref()))
        {
            return Err(ContractError::FieldUnknown(name.to_string()));
        }
        let text = |field| object.text(field, "a string").map(String::from);
        let name = |field| {
            text(field).and_then(|text| {
                if text.is_empty() {
                    let expected = "a non-empty string";
                    return Err(ContractError::FieldInvalid { field, expected });
                }
                Ok(text)
            })
        };
        let invalid = |field, expected| ContractError::FieldInvalid { field, expected };
        let cloud = text("cloud_provider")?;
        let cloud = Cloud::from_str(&cloud)
            .map_err(|_| invalid("cloud_provider", "\"aws\", \"azure\" or \"gcp\""))?;
        let timestamp = text("timestamp")?;
        Timestamp::parse_utc(&timestamp)
            .ok_or_else(|| invalid("timestamp", "an RFC 3339 timestamp in UTC that ends in Z"))?;
        let raw_data = match object.get("raw_data").map(|value| value.get()) {
            None | Some("null") => None,
            Some(_) => Some(cut(text("raw_data")?)),
        };
        Ok(Self {
            twin_id: name("twin_id")?,
            cloud_provider: cloud.as_str().to_owned(),
            severity: text("severity")?.parse()?,
            component: name("component")?,
            error_code: name("error_code")?,
            message: text("message")?,
            timestamp,
            raw_data,
        })
    }

    /// The event as JSON, in the specification's order of fields.
    pub fn to_json(&self) -> Vec<u8> {
        // A struct of strings always serializes.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// When it happened; the epoch if `timestamp` was set by hand to an invalid value.
    pub fn instant(&self) -> Timestamp {
        Timestamp::parse_utc(&self.timestamp).unwrap_or(Timestamp::from_micros(0))
    }

    /// A payload as `raw_data`: as text, truncated to at most [`MAX_RAW_DATA`] without splitting a character.
    pub fn raw_data(payload: &[u8]) -> Option<String> {
        Some(cut(String::from_utf8_lossy(payload).into_owned()))
    }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_RAW_DATA));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"twin_id":"twin-001","cloud_provider":"azure","severity":"CRITICAL","component":"L2-Persister","error_code":"DB_WRITE_FAIL","message":"Cosmos DB quota exceeded for partition 'hot-data'.","timestamp":"2023-10-27T10:05:00Z","raw_data":"{ ... }"}"#;

    #[test]
    fn the_specifications_example_round_trips() {
        let error = SystemError::parse(GOOD.as_bytes()).expect("valid");
        assert_eq!(error.severity, Severity::Critical);
        assert_eq!(String::from_utf8(error.to_json()).expect("text"), GOOD);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (from, to, named) in [
            (r#""twin_id":"twin-001","#, "", "`twin_id` is missing"),
            (
                r#""twin-001""#,
                r#""""#,
                "`twin_id` must be a non-empty string",
            ),
            (r#""azure""#, r#""ibm""#, "`cloud_provider` must be"),
            (r#""CRITICAL""#, r#""BAD""#, "`severity` must be"),
            (r#""CRITICAL""#, "1", "`severity` must be a string"),
            ("10:05:00Z", "noon", "`timestamp` must be"),
            (r#""{ ... }""#, "{}", "`raw_data` must be a string"),
            (r#""raw_data""#, r#""extra""#, "`extra` is not known"),
        ] {
            let error = SystemError::parse(GOOD.replace(from, to).as_bytes()).expect_err(from);
            assert!(
                error.to_string().contains(named),
                "{error} should say {named}"
            );
        }
    }

    #[test]
    fn raw_data_is_optional_and_cut_at_64_kib_between_characters() {
        let without = GOOD.replace(r#","raw_data":"{ ... }""#, "");
        let error = SystemError::parse(without.as_bytes()).expect("valid");
        assert_eq!(String::from_utf8(error.to_json()).expect("text"), without);
        let long = format!("x{}", "é".repeat(MAX_RAW_DATA));
        let cut = SystemError::raw_data(long.as_bytes()).expect("text");
        assert_eq!(cut.len(), MAX_RAW_DATA - 1);
    }
}
