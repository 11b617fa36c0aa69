//! What providers share, so that all of them use the same pages, leases, seals and clock checks.

mod clock;
mod jump;
mod pages;
mod receipt;
mod seal;

pub use clock::{Clock, age, earlier, later, micros, millis, system_clock};
pub use jump::{Judgement, Reading, judge};
pub use pages::{MAX_RECORDS, span};
pub use receipt::receipt;
pub use seal::seal;
pub use twin_contract::{Fill, Place, Span, fill};
