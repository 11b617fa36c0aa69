//! Why a cloud's service did not do what it was asked, in the same terms for all services.

use std::{fmt, time::Duration};

use twin_capabilities::{Failure, types::Throttling};

/// A failed call of a cloud's service. What it says is fit for a log: it has no payload and no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{service}: {action} failed: {code} ({kind})")]
pub struct ServiceError {
    /// The service as its vendor calls it: `DynamoDB`.
    pub service: &'static str,
    /// The call as the vendor's permissions name it: `dynamodb:PutItem`.
    pub action: &'static str,
    /// The service's own code for the failure, `ResourceNotFoundException`; or what failed before it answered, `timed out`.
    pub code: String,
    /// What it means for the twin.
    pub kind: Kind,
}

/// What a failed call means for the twin. Each provider has one table from the codes of its services to these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The service cannot be reached, did not answer in time, or failed. It may have carried out the call.
    Unavailable,
    /// The service takes no more at the moment, and may have said for how long.
    Throttled(Option<Duration>),
    /// The host's identity is unknown, its credential has expired, or it must not do this.
    Denied,
    /// A table, queue, topic, secret, region or endpoint is not there.
    Missing,
    /// The document was not in the state that the call was made for.
    Conflict,
    /// The document or message is larger than the service accepts.
    TooLarge,
    /// The service did not understand the call: a fault of this program, or of a proxy between the two.
    Rejected,
}

impl Kind {
    /// Whether a person has to change something in the cloud or in the configuration before the call can succeed.
    #[must_use]
    pub const fn is_misconfiguration(self) -> bool {
        matches!(self, Self::Denied | Self::Missing | Self::Rejected)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Unavailable => "unavailable",
            Self::Throttled(_) => "throttled",
            Self::Denied => "denied",
            Self::Missing => "missing",
            Self::Conflict => "conflict",
            Self::TooLarge => "too large",
            Self::Rejected => "rejected",
        })
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        match error.kind {
            Kind::TooLarge => Self::TooLarge,
            Kind::Unavailable | Kind::Conflict => Self::Unavailable(error.to_string()),
            Kind::Throttled(wait) => Self::Throttled(Throttling {
                cause: error.to_string(),
                retry_after_ms: wait
                    .map(|wait| u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)),
            }),
            Kind::Denied | Kind::Missing | Kind::Rejected => Self::Misconfigured(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_service_action_and_code() {
        let error = |kind| ServiceError {
            service: "DynamoDB",
            action: "dynamodb:PutItem",
            code: "ResourceNotFoundException".to_owned(),
            kind,
        };
        let text =
            "DynamoDB: dynamodb:PutItem failed: ResourceNotFoundException (missing)".to_owned();
        assert_eq!(
            Failure::from(error(Kind::Missing)),
            Failure::Misconfigured(text)
        );
        assert_eq!(Failure::from(error(Kind::TooLarge)), Failure::TooLarge);
        let wait = Some(Duration::from_millis(1_500));
        let Failure::Throttled(throttling) = Failure::from(error(Kind::Throttled(wait))) else {
            panic!("another failure");
        };
        assert_eq!(throttling.retry_after_ms, Some(1_500));
    }
}
