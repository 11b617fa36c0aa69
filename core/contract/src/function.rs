//! The five functions by name.

use std::{fmt, str::FromStr};

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
    /// All functions, in the order in which data passes through them.
    pub const ALL: [Self; 5] = [
        Self::Connector,
        Self::Ingestion,
        Self::Writer,
        Self::Reader,
        Self::ErrorReporter,
    ];

    /// The name that is used in `TWIN_FUNCTIONS`, in WIT and in file names.
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

/// An unknown function.
#[derive(Debug, thiserror::Error)]
#[error("unknown function `{0}`, expected connector, ingestion, writer, reader or error-reporter")]
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
