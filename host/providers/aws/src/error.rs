//! What a failed call means: one table for the codes of all services.

use std::{error::Error, time::Duration};

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::{
    client::{orchestrator::HttpResponse, result::SdkError},
    http::Headers,
};
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use twin_documents::{Kind, ServiceError};

/// No region is configured, so no service can be asked.
pub(crate) const NO_REGION: &str = "no region is configured";

/// What a call of AWS's libraries returns.
pub(crate) type Answer<T, E> = Result<T, SdkError<E, HttpResponse>>;

/// A call, as errors and permissions name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    service: &'static str,
    name: &'static str,
}

impl Action {
    pub(crate) const PUT_ITEM: Self = Self::of("DynamoDB", "dynamodb:PutItem");
    pub(crate) const GET_ITEM: Self = Self::of("DynamoDB", "dynamodb:GetItem");
    pub(crate) const DELETE_ITEM: Self = Self::of("DynamoDB", "dynamodb:DeleteItem");
    pub(crate) const QUERY: Self = Self::of("DynamoDB", "dynamodb:Query");
    pub(crate) const DESCRIBE_TABLE: Self = Self::of("DynamoDB", "dynamodb:DescribeTable");
    pub(crate) const CREATE_TABLE: Self = Self::of("DynamoDB", "dynamodb:CreateTable");
    pub(crate) const UPDATE_TABLE: Self = Self::of("DynamoDB", "dynamodb:UpdateTable");
    pub(crate) const DESCRIBE_TTL: Self = Self::of("DynamoDB", "dynamodb:DescribeTimeToLive");
    pub(crate) const UPDATE_TTL: Self = Self::of("DynamoDB", "dynamodb:UpdateTimeToLive");
    pub(crate) const PUT_EVENTS: Self = Self::of("EventBridge", "events:PutEvents");
    pub(crate) const DESCRIBE_BUS: Self = Self::of("EventBridge", "events:DescribeEventBus");
    pub(crate) const CREATE_BUS: Self = Self::of("EventBridge", "events:CreateEventBus");
    pub(crate) const GET_SECRET: Self =
        Self::of("Secrets Manager", "secretsmanager:GetSecretValue");
    pub(crate) const GET_TOKEN: Self = Self::of("STS", "sts:GetWebIdentityToken");
    pub(crate) const INVOKE_FUNCTION_URL: Self = Self::of("Lambda", "lambda:InvokeFunctionUrl");
    pub(crate) const INVOKE_API: Self = Self::of("API Gateway", "execute-api:Invoke");
    pub(crate) const SEND_MESSAGE: Self = Self::of("SQS", "sqs:SendMessage");
    pub(crate) const RECEIVE_MESSAGE: Self = Self::of("SQS", "sqs:ReceiveMessage");
    pub(crate) const DELETE_MESSAGE: Self = Self::of("SQS", "sqs:DeleteMessage");
    pub(crate) const HIDE_MESSAGE: Self = Self::of("SQS", "sqs:ChangeMessageVisibility");
    pub(crate) const GET_QUEUE_URL: Self = Self::of("SQS", "sqs:GetQueueUrl");
    pub(crate) const GET_QUEUE: Self = Self::of("SQS", "sqs:GetQueueAttributes");
    pub(crate) const CREATE_QUEUE: Self = Self::of("SQS", "sqs:CreateQueue");

    const fn of(service: &'static str, name: &'static str) -> Self {
        Self { service, name }
    }

    /// The action as a policy names it.
    pub(crate) const fn name(self) -> &'static str {
        self.name
    }

    /// The failure of this call.
    pub(crate) fn failed(self, code: impl Into<String>, kind: Kind) -> ServiceError {
        ServiceError {
            service: self.service,
            action: self.name,
            code: code.into(),
            kind,
        }
    }
}

/// The codes of all services, and what they mean. The services share most of them, and no code means two things.
const CODES: [(Meaning, &[&str]); 7] = [
    (
        Meaning::Conflict,
        &[
            "AWS.SimpleQueueService.MessageNotInflight",
            "ConditionalCheckFailedException",
            "ConcurrentModificationException",
            "MessageNotInflight",
            "QueueDeletedRecently",
            "QueueNameExists",
            "ReceiptHandleIsInvalid",
            "ReplicatedWriteConflictException",
            "ResourceAlreadyExistsException",
            "ResourceInUseException",
            "TransactionConflictException",
        ],
    ),
    (
        Meaning::Throttled,
        &[
            "KmsThrottled",
            "LimitExceededException",
            "OverLimit",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "RequestThrottled",
            "RequestThrottledException",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "TooManyRequestsException",
        ],
    ),
    (
        Meaning::Denied,
        &[
            "AccessDenied",
            "AccessDeniedException",
            "AuthFailure",
            "DecryptionFailure",
            "ExpiredToken",
            "ExpiredTokenException",
            "IncompleteSignature",
            "IncompleteSignatureException",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidSecurity",
            "InvalidSignatureException",
            "KmsAccessDenied",
            "MissingAuthenticationToken",
            "MissingAuthenticationTokenException",
            "NotAuthorized",
            "NotAuthorizedForSourceException",
            "OptInRequired",
            "OutboundWebIdentityFederationDisabledException",
            "RequestExpired",
            "SessionDurationEscalationException",
            "SignatureDoesNotMatch",
            "UnauthorizedOperation",
            "UnrecognizedClientException",
        ],
    ),
    (
        Meaning::Missing,
        &[
            "AWS.SimpleQueueService.NonExistentQueue",
            "IndexNotFoundException",
            "InvalidAddress",
            "KmsNotFound",
            "QueueDoesNotExist",
            "ResourceNotFoundException",
            "TableNotFoundException",
            "UnknownEndpoint",
        ],
    ),
    (
        Meaning::TooLarge,
        &[
            "ItemCollectionSizeLimitExceededException",
            "RequestEntityTooLarge",
            "RequestTooLargeException",
        ],
    ),
    (
        Meaning::Unavailable,
        &[
            "InternalError",
            "InternalException",
            "InternalFailure",
            "InternalServerError",
            "InternalServiceError",
            "RequestTimeout",
            "RequestTimeoutException",
            "ServiceUnavailable",
            "ServiceUnavailableException",
        ],
    ),
    (
        Meaning::Rejected,
        &[
            "InvalidArgument",
            "InvalidMessageContents",
            "InvalidParameterException",
            "InvalidParameterValue",
            "InvalidRequestException",
            "MalformedDetail",
            "SerializationException",
            "UnsupportedOperation",
            "ValidationException",
        ],
    ),
];

/// [`Kind`] without what only a response says.
#[derive(Clone, Copy)]
enum Meaning {
    Unavailable,
    Throttled,
    Denied,
    Missing,
    Conflict,
    TooLarge,
    Rejected,
}

impl Meaning {
    fn of_code(code: &str) -> Option<Self> {
        let found = CODES.iter().find(|(_, codes)| codes.contains(&code));
        found.map(|(meaning, _)| *meaning)
    }

    /// For codes that are not in the table, and for responses that no service wrote.
    fn of_status(status: u16) -> Self {
        match status {
            401 | 403 => Self::Denied,
            404 => Self::Missing,
            413 => Self::TooLarge,
            429 => Self::Throttled,
            500.. => Self::Unavailable,
            _ => Self::Rejected,
        }
    }

    fn kind(self, retry_after: Option<Duration>) -> Kind {
        match self {
            Self::Unavailable => Kind::Unavailable,
            Self::Throttled => Kind::Throttled(retry_after),
            Self::Denied => Kind::Denied,
            Self::Missing => Kind::Missing,
            Self::Conflict => Kind::Conflict,
            Self::TooLarge => Kind::TooLarge,
            Self::Rejected => Kind::Rejected,
        }
    }
}

/// What a code within a response of status 200 means.
pub(crate) fn of_code(code: &str) -> Kind {
    let meaning = Meaning::of_code(code).unwrap_or(Meaning::Unavailable);
    meaning.kind(None)
}

/// What went wrong with a call.
pub(crate) fn of_sdk<E>(action: Action, error: &SdkError<E, HttpResponse>) -> ServiceError
where
    E: Error + ProvideErrorMetadata + 'static,
{
    if let Some(response) = error.raw_response() {
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let code = error.code();
        let meaning = code.and_then(Meaning::of_code);
        let kind = meaning
            .unwrap_or_else(|| Meaning::of_status(status))
            .kind(retry_after);
        let code = code.map_or_else(|| format!("HTTP {status}"), str::to_owned);
        return action.failed(code, kind);
    }
    if let Some(credentials) = cause::<CredentialsError>(error) {
        return of_credentials(action, credentials);
    }
    match error {
        SdkError::TimeoutError(_) => action.failed("timed out", Kind::Unavailable),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => {
            action.failed("timed out", Kind::Unavailable)
        }
        SdkError::DispatchFailure(failure) if failure.is_user() => {
            action.failed("the request cannot be sent", Kind::Rejected)
        }
        SdkError::DispatchFailure(_) => action.failed("no connection", Kind::Unavailable),
        SdkError::ConstructionFailure(_) => {
            action.failed("the request cannot be made", Kind::Rejected)
        }
        _ => action.failed("no usable response", Kind::Unavailable),
    }
}

/// Whether the service says that what was asked for does not exist.
pub(crate) fn is_absent(error: &ServiceError) -> bool {
    error.kind == Kind::Missing && error.code != NO_REGION
}

/// A credential that cannot be had now, or not at all.
pub(crate) fn of_credentials(action: Action, error: &CredentialsError) -> ServiceError {
    match error {
        CredentialsError::CredentialsNotLoaded(_) => action.failed("no credentials", Kind::Denied),
        CredentialsError::InvalidConfiguration(_) => {
            action.failed("invalid configuration of credentials", Kind::Denied)
        }
        _ => action.failed("credentials unavailable", Kind::Unavailable),
    }
}

/// The first cause of this type.
fn cause<'a, C: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a C> {
    std::iter::successors(Some(error), |&error| error.source())
        .find_map(|error| error.downcast_ref())
}

/// For how long the service asks to be left alone.
fn retry_after(headers: &Headers) -> Option<Duration> {
    let number = |name| headers.get(name)?.trim().parse::<u32>().ok();
    let millis = number("x-amz-retry-after").map(|millis| Duration::from_millis(millis.into()));
    millis.or_else(|| number("retry-after").map(|seconds| Duration::from_secs(seconds.into())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_code_means_two_things() {
        let codes: Vec<_> = CODES.iter().flat_map(|(_, codes)| *codes).collect();
        let different: BTreeSet<_> = codes.iter().collect();
        assert_eq!(codes.len(), different.len());
    }

    #[test]
    fn a_code_that_nobody_knows_means_what_its_status_means() {
        let of = |status| Meaning::of_status(status).kind(None);
        assert_eq!(of(400), Kind::Rejected);
        assert_eq!(of(403), Kind::Denied);
        assert_eq!(of(429), Kind::Throttled(None));
        assert_eq!(of(503), Kind::Unavailable);
        assert_eq!(of_code("ThrottlingException"), Kind::Throttled(None));
        assert_eq!(of_code("NeverSeen"), Kind::Unavailable);
    }

    #[test]
    fn a_throttled_caller_is_told_for_how_long() {
        let after = |name: &'static str, value: &'static str| {
            let mut headers = Headers::new();
            headers.insert(name, value);
            retry_after(&headers)
        };
        let two = Some(Duration::from_secs(2));
        assert_eq!(after("retry-after", "2"), two);
        assert_eq!(after("x-amz-retry-after", "2000"), two);
        assert_eq!(after("retry-after", "soon"), None);
        assert_eq!(after("age", "2"), None);
    }
}
