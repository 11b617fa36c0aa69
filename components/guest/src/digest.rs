//! Hashing by the host: what `contract` is given to hash messages with.

pub use crate::bindings::twin::multicloud::digest::sha256;
