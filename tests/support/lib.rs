//! What the tests share: a stage on which the real components run with virtual time, memory stores and scripted peers.

mod peers;
mod requests;
mod stage;

pub use peers::{Arrival, Peers, Script};
pub use requests::{conflict, dead_lettered, error, received, reply, reply_with};
pub use stage::{EPOCH_SECONDS, KEY, OTHER_KEY, Stage, StageBuilder, Told, components, get, post};
