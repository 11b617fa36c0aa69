//! Tasks that go on: after a panic ([`enduring`]), or without the caller that began them ([`DetachOnDrop`]).

mod detached;
pub mod enduring;

pub use detached::DetachOnDrop;
