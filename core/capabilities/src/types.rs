//! Types that the stores share: one failure type, and one type for times.

/// Microseconds since 1970-01-01T00:00:00Z, negative before it.
pub type Instant = i64;

/// Why a store, a queue or a topic did not carry out a request.
///
/// The caller may retry in every case: an operation that failed may have taken effect, and all operations that store something
/// are idempotent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It cannot be reached, is overloaded, or did not answer in time. Retryable.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// It takes no more requests for a while. Retryable after that.
    #[error("throttled: {}", .0.cause)]
    Throttled(Throttling),
    /// It has no room for more: its disk is full, or its limit is reached. Reading still works. Retryable once there is room.
    #[error("full")]
    Full,
    /// The item is larger than the store accepts. Not retryable.
    #[error("too large")]
    TooLarge,
    /// It does not exist, or refuses this function's identity: an operator must change something. The text is for the log, and
    /// names the service, the action and the service's own code. Retryable once that is done.
    #[error("misconfigured: {0}")]
    Misconfigured(String),
    /// Anything else, described for a log.
    #[error("{0}")]
    Other(String),
}

impl Failure {
    /// What went wrong, in words for a log, without the name of the case.
    #[must_use]
    pub fn into_cause(self) -> String {
        match self {
            Self::Unavailable(cause)
            | Self::Throttled(Throttling { cause, .. })
            | Self::Misconfigured(cause)
            | Self::Other(cause) => cause,
            Self::Full => "it has no room for more".to_owned(),
            Self::TooLarge => "the item is larger than it accepts".to_owned(),
        }
    }
}

/// Why a store takes no more requests for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttling {
    /// What it said, described for a log.
    pub cause: String,
    /// How long to wait at least, in milliseconds, if it said so.
    pub retry_after_ms: Option<u32>,
}
