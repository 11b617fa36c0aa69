//! The load generator: raw HTTP/1.1 over kept connections, one thread, prepared requests.
//!
//! It shares two cores with what it measures, so it does as little as it can: a request is a copy of a template with a
//! number written into it, a reply is read as far as its status and its length.

mod closed;
mod histogram;
mod open;
pub(crate) mod template;
pub(crate) mod wire;

pub(crate) use closed::{Closed, Run, hold};
pub(crate) use histogram::Histogram;
pub(crate) use open::Open;
