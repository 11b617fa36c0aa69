//! Why a delivery is not read as events.

use twin_contract::ErrorCode;

/// What is wrong with a delivery.
#[derive(Debug, thiserror::Error)]
pub enum FormError {
    /// It is not valid JSON, or has a field of another type, or lacks one.
    #[error("the event cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// It is none of the forms.
    #[error(
        "this is no event: expected a CloudEvent (with the field `specversion` or the header `ce-specversion`), an event of \
         Event Grid (`eventType`) or a message of Pub/Sub (the field `message` or the header `x-goog-pubsub-message-id`)"
    )]
    Unknown,
    /// A field or header is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field or header has another value than it takes.
    #[error("`{name}` must be {expected}")]
    Invalid {
        /// The name of the field or header.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// An event that a platform publishes about itself, such as that a device was created.
    #[error(
        "events of the type `{0}` are not for this path: change the filter of the subscription, to \
         `Microsoft.Devices.DeviceTelemetry` for the readings of an IoT Hub"
    )]
    OtherType(String),
}

impl FormError {
    /// The code of the reply.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::Json(error) if !error.is_data() => ErrorCode::BodyNotJson,
            Self::Unknown | Self::Missing(_) => ErrorCode::FieldMissing,
            Self::Json(_) | Self::Invalid { .. } | Self::OtherType(_) => ErrorCode::FieldInvalid,
        }
    }
}
