//! The store's clock: the server's. It stamps what is stored and ends leases, and is the same for all hosts.

use std::fmt;

use twin_capabilities::{Instant, provider::Clock};

/// The time by the store's clock, in SQL. The first parameter of each statement that tells the time is the clock of a test, and
/// NULL elsewhere.
macro_rules! now {
    () => {
        "coalesce($1::bigint, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)"
    };
}
pub(crate) use now;

/// Whether a row's lease is over, in SQL. Also if the clock was set back behind its beginning.
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

/// The clock of a test, if there is one: it takes the place of the server's.
#[derive(Clone, Default)]
pub(crate) struct Hands(pub(crate) Option<Clock>);

impl Hands {
    /// What it shows.
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
