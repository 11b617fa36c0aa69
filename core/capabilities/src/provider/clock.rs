//! The store's clock, which stamps stored data and ends leases. Tests can set it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::Instant;

/// Returns the time in microseconds since 1970-01-01T00:00:00Z.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// The clock of this machine.
pub fn system_clock() -> Clock {
    Arc::new(|| SystemTime::UNIX_EPOCH.elapsed().map_or(0, micros))
}

/// The instant `delay` after another one, or the largest instant.
#[must_use]
pub fn later(instant: Instant, delay: Duration) -> Instant {
    instant.saturating_add(micros(delay))
}

/// How long ago something was stored; zero if nothing was stored, or if the clock has been set back since.
#[must_use]
pub fn age(now: Instant, stored_at: Option<Instant>) -> Duration {
    let micros = stored_at.map_or(0, |stored_at| now.saturating_sub(stored_at));
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// The instant `age` before another one, or the smallest instant.
#[must_use]
pub fn earlier(instant: Instant, age: Duration) -> Instant {
    instant.saturating_sub(micros(age))
}

/// An instant in milliseconds since 1970; zero for an instant before that.
pub fn millis(instant: Instant) -> u64 {
    u64::try_from(instant / 1000).unwrap_or(0)
}

/// A duration in microseconds, or the largest value that an instant can hold.
pub fn micros(duration: Duration) -> Instant {
    Instant::try_from(duration.as_micros()).unwrap_or(Instant::MAX)
}
