//! The operations, the peers and the collections of each function.

use super::collection;
use crate::{Access, FunctionName, Peer};

/// The path at which a host says that its process runs.
pub const HEALTH: &str = "/healthz";
/// The path at which a host says whether it can do its work.
pub const READINESS: &str = "/readyz";
/// The path of a host's metrics.
pub const METRICS: &str = "/metrics";

/// A route of a function with one of its methods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// `GET`, `POST` or `DELETE`.
    pub method: &'static str,
    /// The path, with a variable segment in braces: `/dead-letters/{letter_id}`.
    pub path: &'static str,
    /// The access that it gives, which determines whose keys open it.
    pub access: Access,
}

const fn operation(method: &'static str, path: &'static str, access: Access) -> Operation {
    Operation {
        method,
        path,
        access,
    }
}

impl FunctionName {
    /// The function's operations.
    pub const fn operations(self) -> &'static [Operation] {
        use Access::{Data, Operation as Operator};
        match self {
            Self::Connector => {
                const {
                    &[
                        operation("POST", "/telemetry", Data),
                        operation("GET", "/dead-letters", Operator),
                        operation("GET", "/dead-letters/{letter_id}", Operator),
                        operation("DELETE", "/dead-letters/{letter_id}", Operator),
                        operation("POST", "/dead-letters/replay", Operator),
                    ]
                }
            }
            Self::Ingestion => const { &[operation("POST", "/ingest", Data)] },
            Self::Writer => const { &[operation("POST", "/write", Data)] },
            Self::Reader => const { &[operation("GET", "/read", Data)] },
            Self::ErrorReporter => {
                const {
                    &[
                        operation("POST", "/errors", Data),
                        operation("GET", "/errors", Operator),
                    ]
                }
            }
        }
    }

    /// The peers that it sends to, in order of preference.
    pub const fn peers(self) -> &'static [Peer] {
        match self {
            Self::Connector => &[Peer::Ingestion, Peer::Writer, Peer::ErrorReporter],
            Self::Ingestion => &[Peer::Connector, Peer::Writer, Peer::ErrorReporter],
            Self::Writer => &[Peer::ErrorReporter],
            Self::Reader => &[Peer::Reader, Peer::ErrorReporter],
            Self::ErrorReporter => &[Peer::Management],
        }
    }

    /// The collections that it writes or reads.
    pub const fn collections(self) -> &'static [&'static str] {
        match self {
            Self::Connector | Self::Ingestion => &[],
            Self::Writer | Self::Reader => &[collection::MESSAGES],
            Self::ErrorReporter => &[collection::SYSTEM_ERRORS],
        }
    }

    /// What it does, in one sentence.
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Connector => {
                "Sends envelopes to the next layer, and keeps what it could not deliver."
            }
            Self::Ingestion => "Receives envelopes for L2 and hands them on.",
            Self::Writer => "Receives envelopes for L3 and stores them.",
            Self::Reader => "Answers queries.",
            Self::ErrorReporter => "Stores system errors, and tells the management application.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_route_and_every_route_an_operation() {
        for function in FunctionName::ALL {
            let routes = function.routes();
            for operation in function.operations() {
                let led = routes.iter().any(|route| match route.strip_suffix('/') {
                    Some(_) => operation.path.starts_with(route),
                    None => operation.path == *route,
                });
                assert!(led, "{operation:?}");
            }
            for route in routes {
                let mut operations = function.operations().iter();
                assert!(
                    operations.any(|operation| operation.path.starts_with(route)),
                    "{route}"
                );
            }
        }
    }
}
