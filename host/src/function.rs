//! The five functions by name, and what it takes to call one: the seam between ingress, peers and runtime.

use std::{fmt, str::FromStr, time::Duration};

use async_trait::async_trait;

pub use crate::bindings::exported::{Request, Response};

/// A function of the twin. Its component is the file of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FunctionName {
    /// Sends envelopes to the next layer.
    Connector,
    /// Receives envelopes for L2.
    Ingestion,
    /// Receives envelopes for L3.
    Writer,
    /// Answers queries.
    Reader,
    /// Stores system errors.
    ErrorReporter,
}

impl FunctionName {
    /// All functions, in the order in which data passes them.
    pub const ALL: [Self; 5] = [
        Self::Connector,
        Self::Ingestion,
        Self::Writer,
        Self::Reader,
        Self::ErrorReporter,
    ];

    /// The name as it stands in `TWIN_FUNCTIONS`, in WIT and in file names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connector => "connector",
            Self::Ingestion => "ingestion",
            Self::Writer => "writer",
            Self::Reader => "reader",
            Self::ErrorReporter => "error-reporter",
        }
    }

    /// The paths that lead to this function; the first is its main route. A path that ends in `/` is a prefix.
    pub const fn routes(self) -> &'static [&'static str] {
        match self {
            Self::Connector => &["/telemetry", "/dead-letters", "/dead-letters/"],
            Self::Ingestion => &["/ingest"],
            Self::Writer => &["/write"],
            Self::Reader => &["/read"],
            Self::ErrorReporter => &["/errors"],
        }
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A name that is no function's.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no function; known are connector, ingestion, writer, reader, error-reporter")]
pub struct UnknownFunction(pub String);

impl FromStr for FunctionName {
    type Err = UnknownFunction;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|function| function.as_str() == name)
            .ok_or_else(|| UnknownFunction(name.to_owned()))
    }
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
    /// The instance that had the call was lost to a trap.
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

/// Something that can call the twin's functions: the runtime; in tests, a script.
#[async_trait]
pub trait Functions: Send + Sync + 'static {
    /// Whether the function runs here.
    fn is_mounted(&self, function: FunctionName) -> bool;

    /// Calls a function and waits for its response.
    ///
    /// The call goes on if the returned future is dropped: what was begun is brought to an end.
    async fn call(&self, function: FunctionName, request: Request) -> Result<Response, CallError>;
}
