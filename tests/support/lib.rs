//! What the tests share: a stage on which the real components run with virtual time, memory stores and scripted peers.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failed expectation is the assertion here as it is in the tests"
)]

pub mod bodies;
mod peers;
mod records;
mod requests;
pub mod routes;
mod stage;

pub use peers::{Arrival, Peers, Script};
pub use records::{MESSAGES, SYSTEM_ERRORS};
pub use requests::{conflict, dead_lettered, error, received, reply, reply_with};
pub use stage::{
    EPOCH_SECONDS, KEY, OTHER_KEY, Stage, StageBuilder, Told, components, get, post,
    test_components,
};
