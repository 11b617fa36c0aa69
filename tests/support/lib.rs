//! What the tests share: a stage on which the real components run with virtual time, memory stores and scripted peers.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failed expectation is the assertion here as it is in the tests"
)]

pub mod bodies;
pub mod clouds;
pub mod composition;
mod connector;
pub mod hosts;
pub mod packages;
mod peers;
mod records;
mod requests;
pub mod routes;
mod running;
mod settings;
mod stage;
mod vault;
mod watched;

pub use connector::{
    READING, TRACE, TRACEPARENT, attempt_times_ms, causes, connector, connector_refused,
    connector_with_letters, envelope, failing, keyed, seconds, with_header, without_retries,
};
pub use peers::{Arrival, Peers, Script};
pub use records::{MESSAGES, SYSTEM_ERRORS};
pub use requests::{conflict, dead_lettered, error, page, received, reply, reply_with};
pub use running::Running;
pub use settings::Settings;
pub use stage::{
    EPOCH_SECONDS, KEY, OPERATOR_KEY, OTHER_KEY, Stage, StageBuilder, Told, components, delete,
    get, post, test_components,
};
pub use vault::Vault;
pub use watched::Watch;
