//! The two clocks of delivery, as types that cannot be confused, and spans of time as they are written in text and headers.

use std::time::Duration;

/// An instant of this instance's monotonic clock. It has no meaning for another instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mono(Duration);

impl Mono {
    /// The instant at which the clock has run for `elapsed` since it started.
    pub const fn new(elapsed: Duration) -> Self {
        Self(elapsed)
    }

    /// The time since an earlier instant; zero if that instant is later.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The instant this much later.
    #[must_use]
    pub const fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// The instant this much earlier, or the start of the clock.
    #[must_use]
    pub const fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }
}

/// An instant of the store's clock, the only one that all instances share: whole milliseconds since 1970, and stored as
/// that number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoreTime(u64);

impl StoreTime {
    /// The instant this many milliseconds after the beginning of 1970.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the beginning of 1970.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The time since an earlier instant; zero if that instant is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// The instant this much later, in whole milliseconds.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }
}

/// The whole milliseconds of a span, as used in headers, settings and messages.
pub fn millis(span: Duration) -> u64 {
    span.as_secs()
        .saturating_mul(1_000)
        .saturating_add(span.subsec_millis().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_clock_wraps() {
        let (early, late) = (Mono::default(), Mono::new(Duration::MAX));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.after(Duration::MAX), late);
        assert_eq!(early.before(Duration::MAX), early);
        let (early, late) = (StoreTime::default(), StoreTime::from_millis(u64::MAX));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(late.after(Duration::MAX), late);
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }

    #[test]
    fn the_stores_time_is_whole_milliseconds() {
        let time = StoreTime::from_millis(7).after(Duration::from_micros(1_999));
        assert_eq!(time.as_millis(), 8);
    }
}
