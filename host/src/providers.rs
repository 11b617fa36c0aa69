//! The providers: where the twin's data is kept. Each implements the traits of `twin-capabilities`.
//!
//! One crate per place: [`local`] keeps the data in a folder on disk, [`memory`] in the process, for tests and benchmarks. A
//! provider is opened for one twin, and the twin's name is part of every key. All of them pass the behaviour suite
//! of `twin_capabilities::testing`.

pub use twin_capabilities::{
    Circuits, DeadLetters, ErrorTopic, Health, Outbox, Records, Statistics, Stores,
    error_topic::Event,
    health::{COUNTED, Numbers},
    provider::{Clock, system_clock},
};
pub use twin_local as local;
pub use twin_memory as memory;

pub use crate::stores::within;
