//! Delivery policy, as plain logic: no I/O, no clock, no wasm.
//!
//! The meaning of a peer's reply ([`Verdict`]), when to try again ([`RetryPolicy`]), when not to try at all ([`Breaker`])
//! and how much time everything may take ([`Deadline`]). The connector follows these decisions, and so does the reader for
//! a remote store. See spec §4.
//!
//! Everything that can be configured is in the table of settings ([`Setting`]).
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use twin_delivery::{DeliverySettings, GiveUp, Next, RetryPolicy};
//!
//! let policy = RetryPolicy { jitter_percent: 0, ..DeliverySettings::default().retry };
//! let time_left = Duration::from_secs(25);
//! let second = Duration::from_secs(1);
//!
//! // The waits are 1, 2 and 4 seconds, or what the peer asks for, if that is longer.
//! assert_eq!(policy.next(0, None, time_left, 0), Next::Wait(second));
//! assert_eq!(policy.next(1, Some(5 * second), time_left, 0), Next::Wait(5 * second));
//! assert_eq!(policy.next(3, None, time_left, 0), Next::GiveUp(GiveUp::RetriesExhausted));
//! ```

mod breaker;
mod deadline;
mod retry;
mod retry_after;
mod setting;
mod settings;
mod time;
mod verdict;

pub use breaker::{Admission, Breaker, BreakerSettings, Circuit, Transition};
pub use deadline::Deadline;
pub use retry::{GiveUp, Next, RetryPolicy};
pub use setting::{DELIVERY, Setting, TWIN_CLOUD, TWIN_NAME, is_setting};
pub use settings::DeliverySettings;
pub use time::{Mono, StoreTime, millis};
pub use verdict::{Signal, Verdict};
