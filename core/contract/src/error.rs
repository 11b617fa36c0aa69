//! What can be wrong with input: every variant is a 4xx that names the cause.

use crate::{MAX_BODY, MAX_DEPTH};

/// Invalid input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContractError {
    /// The body exceeds [`MAX_BODY`].
    #[error("the body is larger than {MAX_BODY} bytes")]
    BodyTooLarge,
    /// The body has an unsupported content coding.
    #[error("the header `content-encoding` names `{0}`, which is not taken here")]
    CodingUnsupported(String),
    /// The body is not UTF-8.
    #[error("the body is not valid UTF-8")]
    BodyNotUtf8,
    /// The body is not a JSON document.
    #[error("the body is not valid JSON at line {line}, column {column}")]
    BodyNotJson {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// The body is JSON, but not an object.
    #[error("the body must be one JSON object")]
    BodyNotAnObject,
    /// Objects and arrays nest deeper than [`MAX_DEPTH`].
    #[error("the body nests deeper than {MAX_DEPTH} levels")]
    BodyTooDeep,
    /// A required field is missing.
    #[error("the field `{0}` is missing")]
    FieldMissing(&'static str),
    /// A field has the wrong type or value.
    #[error("the field `{field}` must be {expected}")]
    FieldInvalid {
        /// The field's path: `payload.device_id`.
        field: &'static str,
        /// What is expected.
        expected: &'static str,
    },
    /// A field, or two spellings of it, is given more than once.
    #[error("the field `{0}` is given more than once")]
    FieldRepeated(String),
    /// An unknown field.
    #[error("the field `{0}` is not known")]
    FieldUnknown(String),
    /// `Idempotency-Key` is not an id.
    #[error("the header `idempotency-key` must be 1 to 128 characters of A-Z a-z 0-9 . _ : -")]
    IdInvalid,
    /// A header that must not be repeated is given more than once.
    #[error("the header `{0}` is given more than once")]
    HeaderRepeated(&'static str),
    /// A parameter of the query string has a wrong value.
    #[error("the parameter `{parameter}` must be {expected}")]
    ParameterInvalid {
        /// Its name.
        parameter: &'static str,
        /// What is expected.
        expected: &'static str,
    },
    /// A required parameter is missing.
    #[error("the parameter `{0}` is missing")]
    ParameterMissing(&'static str),
    /// A parameter that is unknown or given more than once.
    #[error("the parameter `{0}` is unknown or given more than once")]
    ParameterUnknown(String),
    /// A parameter whose name or value is not valid percent-encoding.
    #[error("the parameter `{0}` is not percent-encoded UTF-8")]
    ParameterUnreadable(String),
}

impl ContractError {
    /// The HTTP status: 413 for a body that is too large, 415 for an unsupported coding, else 400.
    pub const fn status(&self) -> u16 {
        match self {
            Self::BodyTooLarge => 413,
            Self::CodingUnsupported(_) => 415,
            _ => 400,
        }
    }

    /// The `error_code` of the reply.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BodyTooLarge => "BODY_TOO_LARGE",
            Self::CodingUnsupported(_) => "CODING_UNSUPPORTED",
            Self::BodyNotUtf8 => "BODY_NOT_UTF8",
            Self::BodyNotJson { .. } => "BODY_NOT_JSON",
            Self::BodyNotAnObject => "BODY_NOT_AN_OBJECT",
            Self::BodyTooDeep => "BODY_TOO_DEEP",
            Self::FieldMissing(_) => "FIELD_MISSING",
            Self::FieldInvalid { .. } => "FIELD_INVALID",
            Self::FieldRepeated(_) => "FIELD_REPEATED",
            Self::FieldUnknown(_) => "FIELD_UNKNOWN",
            Self::IdInvalid => "ID_INVALID",
            Self::HeaderRepeated(_) => "HEADER_REPEATED",
            Self::ParameterInvalid { .. } | Self::ParameterUnreadable(_) => "PARAMETER_INVALID",
            Self::ParameterMissing(_) => "PARAMETER_MISSING",
            Self::ParameterUnknown(_) => "PARAMETER_UNKNOWN",
        }
    }
}
