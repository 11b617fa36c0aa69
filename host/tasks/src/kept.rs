//! When a value that lasts for a limited time is renewed, and until when it is used.

use std::time::{Duration, SystemTime};

/// How long before its end a value is renewed, at most; and a value that lasts less than twice as long after half its time.
const MARGIN: Duration = Duration::from_secs(300);

/// How long before its end a value is no longer used: a request may take a moment to arrive.
const LAST_USE: Duration = Duration::from_secs(5);

/// A value, as a source gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lasting<V> {
    /// The value.
    pub value: V,
    /// When it ends; `None` if it does not.
    pub ends_at: Option<SystemTime>,
}

/// A value that has been fetched.
pub(crate) struct Kept<V> {
    pub(crate) value: V,
    /// When it was fetched.
    pub(crate) since: SystemTime,
    /// When it is renewed, and when it is used no longer.
    limits: Option<(SystemTime, SystemTime)>,
}

/// What to do with a value at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// Use it.
    Fresh,
    /// Use it, and renew it.
    Old,
    /// It must not be used.
    Over,
}

impl<V> Kept<V> {
    /// A value fetched at `now`, to be renewed after `pause` at the earliest.
    pub(crate) fn new(lasting: Lasting<V>, now: SystemTime, pause: Duration) -> Self {
        let Lasting { value, ends_at } = lasting;
        let limits = ends_at.map(|ends_at| {
            let left = ends_at.duration_since(now).unwrap_or_default();
            let renew = left.saturating_sub(MARGIN.min(left / 2)).max(pause);
            let usable = left.saturating_sub(LAST_USE);
            (now + renew, now + usable)
        });
        Self {
            value,
            since: now,
            limits,
        }
    }

    pub(crate) fn age(&self, now: SystemTime) -> Age {
        match self.limits {
            None => Age::Fresh,
            Some((_, over_at)) if now >= over_at => Age::Over,
            Some((renew_at, _)) if now >= renew_at => Age::Old,
            // After the clock was set back, nobody knows how old it is.
            Some(_) if now < self.since => Age::Old,
            Some(_) => Age::Fresh,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    const PAUSE: Duration = Duration::from_secs(30);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The seconds at which a value that lasts this long becomes old and is over.
    fn limits(lasts: u64) -> (Option<u64>, Option<u64>) {
        let start = NOW + seconds(1_000_000);
        let ends_at = Some(start + seconds(lasts));
        let kept = Kept::new(Lasting { value: (), ends_at }, start, PAUSE);
        let first = |age| (0..=lasts).find(|passed| kept.age(start + seconds(*passed)) == age);
        (first(Age::Old), first(Age::Over))
    }

    #[test]
    fn a_value_is_renewed_before_it_ends_and_not_used_to_the_last_moment() {
        assert_eq!(limits(3600), (Some(3300), Some(3595)));
        assert_eq!(limits(600), (Some(300), Some(595)));
        assert_eq!(limits(200), (Some(100), Some(195)));
        // A source that gives the same value until it ends is not asked at each call.
        assert_eq!(limits(40), (Some(30), Some(35)));
        assert_eq!(limits(20), (None, Some(15)));
        assert_eq!(limits(0), (None, Some(0)));
    }

    #[test]
    fn a_value_without_an_end_is_always_fresh() {
        let lasting = Lasting {
            value: (),
            ends_at: None,
        };
        let kept = Kept::new(lasting, NOW, PAUSE);
        assert_eq!(kept.age(NOW + seconds(1_000_000_000)), Age::Fresh);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_a_value_old_and_an_ended_one_is_over() {
        let start = NOW + seconds(1_000_000);
        let ends_at = Some(start + seconds(3600));
        let kept = Kept::new(Lasting { value: (), ends_at }, start, PAUSE);
        assert_eq!(kept.age(start - seconds(1)), Age::Old);
        let ended = Lasting {
            value: (),
            ends_at: Some(start - seconds(1)),
        };
        assert_eq!(Kept::new(ended, start, PAUSE).age(start), Age::Over);
    }
}
