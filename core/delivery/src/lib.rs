//! Delivery policy, as plain logic: no I/O, no clock, no wasm.
//!
//! What a peer's answer means ([`Verdict`]), when to try again ([`RetryPolicy`]), when not to try at all ([`Breaker`]) and
//! how long it may all take ([`Deadline`]). The connector does what this crate decides; so does the reader, for a remote
//! store. Specification section 4.

mod breaker;
mod deadline;
mod retry;
mod retry_after;
mod settings;
mod verdict;

pub use breaker::{Admission, Breaker, BreakerSettings, Circuit, Transition};
pub use deadline::Deadline;
pub use retry::{GiveUp, Next, RetryPolicy};
pub use settings::DeliverySettings;
pub use verdict::{Outcome, SendFailure, Signal, Verdict};
