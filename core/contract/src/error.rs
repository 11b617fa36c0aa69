//! Errors in input: every variant is a 4xx that names the cause.

use crate::{ErrorCode, MAX_BODY, MAX_DEPTH};

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
    HeaderRepeated(String),
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
    /// The HTTP status: 413 for a body that is too large, 415 for an unsupported coding, otherwise 400.
    pub const fn status(&self) -> u16 {
        self.code().status()
    }

    /// The `error_code` of the reply.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::BodyTooLarge => ErrorCode::BodyTooLarge,
            Self::CodingUnsupported(_) => ErrorCode::CodingUnsupported,
            Self::BodyNotUtf8 => ErrorCode::BodyNotUtf8,
            Self::BodyNotJson { .. } => ErrorCode::BodyNotJson,
            Self::BodyNotAnObject => ErrorCode::BodyNotAnObject,
            Self::BodyTooDeep => ErrorCode::BodyTooDeep,
            Self::FieldMissing(_) => ErrorCode::FieldMissing,
            Self::FieldInvalid { .. } => ErrorCode::FieldInvalid,
            Self::FieldRepeated(_) => ErrorCode::FieldRepeated,
            Self::FieldUnknown(_) => ErrorCode::FieldUnknown,
            Self::IdInvalid => ErrorCode::IdInvalid,
            Self::HeaderRepeated(_) => ErrorCode::HeaderRepeated,
            Self::ParameterInvalid { .. } | Self::ParameterUnreadable(_) => {
                ErrorCode::ParameterInvalid
            }
            Self::ParameterMissing(_) => ErrorCode::ParameterMissing,
            Self::ParameterUnknown(_) => ErrorCode::ParameterUnknown,
        }
    }
}
