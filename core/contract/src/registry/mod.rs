//! The registry: every name that is needed in more than one place, defined once. Functions with their routes, peers and
//! collections; the codes of error replies and of system errors.

mod azure;
pub mod collection;
pub mod component;
mod error_code;
mod event_code;
mod operation;

pub use azure::{ERRORS_FUNCTION, TELEMETRY_FUNCTION};
pub use error_code::ErrorCode;
pub use event_code::EventCode;
pub use operation::{HEALTH, METRICS, Operation, READINESS};
