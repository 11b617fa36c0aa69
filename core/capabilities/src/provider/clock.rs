//! The store's clock: stamps what is stored and ends leases. Tests turn its hands.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::Instant;

/// Tells the time in microseconds since 1970-01-01T00:00:00Z.
pub type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// The clock of this machine.
pub fn system_clock() -> Clock {
    Arc::new(|| SystemTime::UNIX_EPOCH.elapsed().map_or(0, micros))
}

/// The instant `delay` after another one; the end of time, if that is sooner.
#[must_use]
pub fn later(instant: Instant, delay: Duration) -> Instant {
    instant.saturating_add(micros(delay))
}

/// How long ago something was stored; zero if nothing was, or if the clock was set back since.
#[must_use]
pub fn age(now: Instant, stored_at: Option<Instant>) -> Duration {
    let micros = stored_at.map_or(0, |stored_at| now.saturating_sub(stored_at));
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// The instant `age` before another one; the beginning of time, if that is later.
#[must_use]
pub fn earlier(instant: Instant, age: Duration) -> Instant {
    instant.saturating_sub(micros(age))
}

/// An instant in milliseconds since 1970, which is as early as it gets.
pub fn millis(instant: Instant) -> u64 {
    u64::try_from(instant / 1000).unwrap_or(0)
}

/// A duration in microseconds; the most that an instant holds, if it is longer.
pub fn micros(duration: Duration) -> Instant {
    Instant::try_from(duration.as_micros()).unwrap_or(Instant::MAX)
}
