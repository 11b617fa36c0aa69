//! The store's clock: the server's. It stamps what is stored and ends leases, and is the same for all hosts.

use std::{fmt, sync::Arc, time::Duration};

use twin_capabilities::Instant;

/// Takes the place of the server's clock: tells the time in microseconds since 1970-01-01T00:00:00Z.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

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

/// The clock of a test, if there is one.
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

/// A duration in microseconds; the longest there is, if it is longer.
pub(crate) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// How long ago something was stored; zero if nothing was, or if the clock was set back since.
pub(crate) fn age(now: Instant, stored_at: Option<Instant>) -> Duration {
    let micros = stored_at.map_or(0, |stored_at| now.saturating_sub(stored_at));
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// An instant in milliseconds since 1970, which is as early as it gets.
pub(crate) fn millis(instant: Instant) -> u64 {
    u64::try_from(instant / 1000).unwrap_or(0)
}
