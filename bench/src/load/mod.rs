//! The load generator: raw HTTP/1.1 over kept connections, one thread, prepared requests.
//!
//! It shares two cores with the server under test, so it does as little as possible: a request is a copy of a template with
//! a number written into it, and of a reply only the status and the length are read.

mod closed;
mod histogram;
mod open;
pub(crate) mod template;
pub(crate) mod wire;

pub(crate) use closed::{Closed, Run, hold};
pub(crate) use histogram::Histogram;
pub(crate) use open::Open;
