//! Tasks that continue: after a panic ([`enduring`]), or without the caller that started them ([`DetachOnDrop`]).

mod detached;
pub mod enduring;

pub use detached::DetachOnDrop;
