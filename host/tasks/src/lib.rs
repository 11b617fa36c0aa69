//! Tasks that continue: after a panic ([`enduring`]), without the caller that started them ([`DetachOnDrop`]), or to renew
//! what all callers share ([`Renewing`]).

mod detached;
pub mod enduring;
mod kept;
mod renewing;

pub use detached::DetachOnDrop;
pub use kept::Lasting;
pub use renewing::{Renewing, Source};
