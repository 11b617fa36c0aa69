//! The host's own refusals: the only place that sets their status, code and message. All other refusals are the
//! components'.

use twin_contract::{
    Access, ErrorCode,
    reply::{JSON, error_body},
};

use twin_capabilities::function::{CallError, Response};

/// Why the host answers instead of a component.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// No function is mounted at the path.
    #[error("nothing is mounted at this path")]
    NotFound,
    /// One of the host's own paths was requested with a method other than these.
    #[error("only {} are answered here", .0.join(" and "))]
    MethodNotAllowed([&'static str; 2]),
    /// One of the host's own paths was requested without a credential.
    #[error("a credential is required")]
    CredentialMissing,
    /// … or with a wrong one.
    #[error("the credential is not valid")]
    CredentialWrong,
    /// … or with one that does not permit access to it.
    #[error("{}", .0.refusal())]
    CredentialForOther(Access),
    /// The credential cannot be checked now.
    #[error("credentials cannot be checked now")]
    CredentialsUnavailable,
    /// The body did not arrive in time.
    #[error("the body did not arrive in time")]
    BodyTimeout,
    /// The body broke off or is not framed as HTTP requires.
    #[error("the body could not be read")]
    BodyUnreadable,
    /// A delivery of events is larger than this.
    #[error("a delivery of events has at most {limit} bytes")]
    BodyTooLarge {
        /// In bytes.
        limit: usize,
    },
    /// A delivery cannot be read as events.
    #[error("{expected}")]
    NotAnEvent {
        /// What is wrong with it.
        code: ErrorCode,
        /// The same in words.
        expected: String,
    },
    /// A function did not take over an event, and it is not kept either.
    #[error("not all events were taken over: deliver them again")]
    EventNotTaken,
    /// The body is not valid gzip, although its header says `content-encoding: gzip`.
    #[error("the body is not valid gzip, as its header `content-encoding` says")]
    BodyNotGzip,
    /// A request over HTTP/1.1 with no `host` header, or with several.
    #[error("a request needs exactly one header `host`")]
    HostNotGiven,
    /// The memory for bodies is used up.
    #[error("too many requests are being answered")]
    Overloaded,
    /// The host cannot do its work now.
    #[error("not ready: {0}")]
    NotReady(String),
    /// The component's response cannot be expressed in HTTP.
    #[error("the function's response is not valid")]
    ResponseInvalid,
    /// The function gave no response.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Refusal {
    /// Whether the refusal is caused by overload.
    pub(crate) const fn is_overload(&self) -> bool {
        matches!(
            self,
            Self::Overloaded | Self::Call(CallError::Overloaded(_))
        )
    }

    /// The response: the error body of the reply contract (spec §3). A 503 asks the client to retry after a second.
    pub(crate) fn response(&self) -> Response {
        let code = self.code();
        let status = code.status();
        let mut headers = vec![("content-type".to_owned(), JSON.to_owned())];
        if status == 503 {
            headers.push(("retry-after".to_owned(), "1".to_owned()));
        }
        if let Self::MethodNotAllowed(methods) = self {
            headers.push(("allow".to_owned(), methods.join(", ")));
        }
        Response {
            status,
            headers,
            body: error_body(code.as_str(), &self.to_string()),
        }
    }

    const fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound | Self::Call(CallError::NotMounted(_)) => ErrorCode::NotFound,
            Self::MethodNotAllowed(_) => ErrorCode::MethodNotAllowed,
            Self::CredentialMissing => ErrorCode::Unauthorized,
            Self::CredentialWrong | Self::CredentialForOther(_) => ErrorCode::Forbidden,
            Self::CredentialsUnavailable => ErrorCode::CredentialsUnavailable,
            Self::BodyTimeout => ErrorCode::BodyTimeout,
            Self::BodyUnreadable => ErrorCode::BodyUnreadable,
            Self::BodyTooLarge { .. } => ErrorCode::BodyTooLarge,
            Self::NotAnEvent { code, .. } => *code,
            Self::EventNotTaken => ErrorCode::DeliveryFailed,
            Self::BodyNotGzip => ErrorCode::BodyNotGzip,
            Self::HostNotGiven => ErrorCode::HostInvalid,
            Self::Overloaded | Self::Call(CallError::Overloaded(_)) => ErrorCode::Overloaded,
            Self::NotReady(_) => ErrorCode::NotReady,
            Self::ResponseInvalid => ErrorCode::ResponseInvalid,
            Self::Call(CallError::InstanceLost(_)) => ErrorCode::InstanceLost,
            Self::Call(CallError::DeadlineExceeded { .. }) => ErrorCode::DeadlineExceeded,
        }
    }
}
