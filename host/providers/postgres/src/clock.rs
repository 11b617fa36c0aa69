//! The store's clock, which is the server's. It stamps stored data and ends leases, and is the same for all hosts.

use std::fmt;

use twin_capabilities::{Instant, provider::Clock};

/// The time by the store's clock, in SQL. The first parameter of each statement that uses the time is the clock of a test;
/// otherwise it is NULL.
macro_rules! now {
    () => {
        "coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)"
    };
}
pub(crate) use now;

/// Whether a row's lease is over, in SQL. This is also true if the clock was set back to before the lease began.
macro_rules! is_free {
    () => {
        concat!(
            "(leased_until_us IS NULL OR leased_until_us <= ",
            crate::clock::now!(),
            " OR leased_at_us > ",
            crate::clock::now!(),
            ")"
        )
    };
}
pub(crate) use is_free;

/// A test's clock, if there is one; it replaces the server's.
#[derive(Clone, Default)]
pub(crate) struct Hands(pub(crate) Option<Clock>);

impl Hands {
    /// The time that it shows.
    pub(crate) fn shown(&self) -> Option<Instant> {
        self.0.as_ref().map(|clock| clock())
    }
}

impl fmt::Debug for Hands {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_some() {
            "a test's"
        } else {
            "the server's"
        })
    }
}
