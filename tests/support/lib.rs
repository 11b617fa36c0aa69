//! What the tests share: a stage on which the real components run with virtual time, memory stores and scripted peers.

mod connector;
mod peers;
mod requests;
mod stage;
mod watched;

pub use connector::{
    READING, TRACE, TRACEPARENT, attempt_times_ms, causes, connector, envelope, failing, keyed,
    seconds, with_header, without_retries,
};
pub use peers::{Arrival, Peers, Script};
pub use requests::{conflict, dead_lettered, error, received, reply, reply_with};
pub use stage::{EPOCH_SECONDS, KEY, OTHER_KEY, Stage, StageBuilder, Told, components, get, post};
pub use watched::Loads;
