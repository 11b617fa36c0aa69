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
