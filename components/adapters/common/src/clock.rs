//! Clocks, random ids, and futures with a time limit.

use std::{ops::Range, pin::pin};

use futures_util::future::{Either, select};
use twin_contract::MessageId;
use wasip3::{
    clocks::{monotonic_clock, system_clock},
    random::random,
};

use crate::Instant;

const NANOS_PER_MS: u64 = 1_000_000;

/// The current time, in microseconds since 1970.
pub fn now() -> Instant {
    let now = system_clock::now();
    let micros = Instant::from(now.nanoseconds / 1000);
    now.seconds.saturating_mul(1_000_000).saturating_add(micros)
}

/// An instant in milliseconds since 1970; zero for earlier instants.
pub fn millis(instant: Instant) -> u64 {
    u64::try_from(instant / 1000).unwrap_or(0)
}

/// The instant this many milliseconds after another one.
pub fn later(instant: Instant, ms: u32) -> Instant {
    instant.saturating_add(Instant::from(ms) * 1000)
}

/// How far the clocks of machines that share a store may differ, in microseconds.
const CLOCKS_APART_US: Instant = 1_000_000;

/// The latest time, by the clock of any machine, at which an existing lease can have begun. A lease with a later start was
/// taken before the clock was set back.
pub fn latest_start(now: Instant) -> Instant {
    now.saturating_add(CLOCKS_APART_US)
}

/// When a lease ends; `None` without a lease or if it is over, including when the clock was set back to before its start.
pub fn lease_end(lease: Option<Range<Instant>>) -> Option<Instant> {
    lease_end_at(now(), lease)
}

fn lease_end_at(now: Instant, lease: Option<Range<Instant>>) -> Option<Instant> {
    let lease = lease.filter(|lease| lease.start <= latest_start(now) && now < lease.end)?;
    Some(lease.end)
}

/// The monotonic clock, in milliseconds.
pub fn mono_ms() -> u64 {
    monotonic_clock::now() / NANOS_PER_MS
}

/// The output of a future if it completes within this many milliseconds; otherwise the future is dropped.
pub async fn within<T>(ms: u64, future: impl Future<Output = T>) -> Option<T> {
    let end = pin!(monotonic_clock::wait_for(ms.saturating_mul(NANOS_PER_MS)));
    match select(pin!(future), end).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}

/// A new UUID version 7: for events because it sorts by time, for receipts because it cannot be guessed.
pub fn unique() -> String {
    let mut bytes = [0; 10];
    for (byte, random) in bytes.iter_mut().zip(random::get_random_bytes(10)) {
        *byte = random;
    }
    MessageId::unique(millis(now()), bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_of_a_clock_that_is_a_little_ahead_stands() {
        const SECOND: Instant = 1_000_000;
        for (lease, expected) in [
            (None, None),
            (Some(0..SECOND), Some(SECOND)),
            (Some(-SECOND..0), None),
            (Some(1..2 * SECOND), Some(2 * SECOND)),
            (Some(SECOND..2 * SECOND), Some(2 * SECOND)),
            (Some(SECOND + 1..2 * SECOND), None),
            (Some(Instant::MIN..1), Some(1)),
        ] {
            assert_eq!(lease_end_at(0, lease.clone()), expected, "{lease:?}");
        }
    }
}
