//! A function as its callers see it: a complete request in, a complete response out.

use std::time::Duration;

use async_trait::async_trait;
pub use twin_contract::{FunctionName, UnknownFunction};

use crate::credentials::{Caller, Denied};

/// What the host found when it checked the caller's credential. A function gets this instead of the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The credential is valid, or the caller is another function in the same process.
    Verified(Caller),
    /// No credential was presented in the form of this cloud: 401.
    Missing,
    /// A credential was presented, but it is not valid, or no longer valid: 403.
    Wrong,
    /// This header, which can carry a credential, was given more than once: 400. Its name is in lower case.
    Repeated(String),
    /// The credential cannot be checked now, described for a log: 503.
    Unavailable(String),
    /// The credential has not been checked, and the headers are those that the caller sent: the function calls the
    /// [`Verifier`](crate::Verifier).
    Unchecked,
}

impl Verdict {
    /// Whether the verdict is that this header was given more than once.
    pub fn is_repeated(&self, header: &str) -> bool {
        matches!(self, Self::Repeated(repeated) if repeated == header)
    }
}

impl From<Result<Caller, Denied>> for Verdict {
    fn from(verified: Result<Caller, Denied>) -> Self {
        match verified {
            Ok(caller) => Self::Verified(caller),
            Err(Denied::Missing) => Self::Missing,
            Err(Denied::Wrong) => Self::Wrong,
            Err(Denied::Unavailable(cause) | Denied::Other(cause)) => Self::Unavailable(cause),
        }
    }
}

/// An HTTP request with its complete body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Upper case: `GET`, `POST`, …
    pub method: String,
    /// Starts with `/`. The route prefix is stripped.
    pub path: String,
    /// Without the `?`; empty if there was none. It contains no key, unless the verdict is [`Verdict::Unchecked`].
    pub query: String,
    /// In order of arrival, with names in lower case; a header may appear several times. Headers that no function uses may be
    /// left out. None of them can carry a key, unless the verdict is [`Verdict::Unchecked`].
    pub headers: Vec<(String, String)>,
    /// At most one byte more than the limit of 256 KiB, enough to see that the body was too large.
    pub body: Vec<u8>,
    /// How much longer the caller will wait, in milliseconds, if the host knows.
    pub time_left_ms: Option<u32>,
    /// The caller, or why it is not known.
    pub verdict: Verdict,
}

/// An HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 200 to 599.
    pub status: u16,
    /// Names in lower case. The host adds `content-length`.
    pub headers: Vec<(String, String)>,
    /// A JSON document in UTF-8.
    pub body: Vec<u8>,
}

/// Why a function gave no response. The caller may try again: each of these is a 5xx.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The function is not mounted here.
    #[error("{0} is not mounted here")]
    NotMounted(FunctionName),
    /// The queue in front of the function is full.
    #[error("{0} is at its limit of calls at once")]
    Overloaded(FunctionName),
    /// The instance that was handling the call was lost to a trap.
    #[error("the instance of {0} that had the call was lost")]
    InstanceLost(FunctionName),
    /// No response within the time given.
    #[error("{function} gave no response within {} ms", .after.as_millis())]
    DeadlineExceeded {
        /// The function called.
        function: FunctionName,
        /// How long the host waited.
        after: Duration,
    },
}

/// Calls the twin's functions. The runtime implements this; in tests, a script does.
#[async_trait]
pub trait Functions: Send + Sync + 'static {
    /// Whether the function runs here.
    fn is_mounted(&self, function: FunctionName) -> bool;

    /// Calls a function and waits for its response.
    ///
    /// The call continues if the returned future is dropped.
    ///
    /// # Errors
    /// Why there is no response.
    async fn call(&self, function: FunctionName, request: Request) -> Result<Response, CallError>;
}
