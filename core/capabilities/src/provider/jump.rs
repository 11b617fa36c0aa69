//! Detects a clock that jumps ahead, which would make all data look old.

use std::time::Duration;

use super::clock::{age, later};
use crate::Instant;

/// How far the clock may advance beyond the time that has passed.
const TOLERANCE: Duration = Duration::from_secs(3600);

/// A clock that has been ahead for this long is accepted as right: it was wrong before, or the machine was suspended.
const ACCEPTED_AFTER: Duration = Duration::from_secs(86_400);

/// Two clocks, read at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The store's clock, which may be set.
    pub clock: Instant,
    /// How long the process has been running, from a clock that cannot be set.
    pub running: Duration,
}

/// The result of comparing two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Judgement {
    /// The clock ran correctly, or was set back.
    Steady,
    /// The clock is ahead by this much.
    Ahead(Duration),
}

/// Compares the clock with the last reading that was found steady.
pub fn judge(trusted: Reading, now: Reading) -> Judgement {
    let passed = now.running.saturating_sub(trusted.running);
    let ahead = age(now.clock, Some(later(trusted.clock, passed)));
    if ahead <= TOLERANCE || passed >= ACCEPTED_AFTER {
        Judgement::Steady
    } else {
        Judgement::Ahead(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(600);
    const HOUR: Duration = Duration::from_secs(3600);
    const YEAR: Duration = Duration::from_secs(31_536_000);
    const START: Reading = Reading {
        clock: 1_767_225_600_000_000,
        running: Duration::from_secs(5),
    };

    /// The clock has advanced by `clock` while `passed` elapsed.
    fn after(passed: Duration, clock: Duration) -> Judgement {
        let now = Reading {
            clock: later(START.clock, clock),
            running: START.running + passed,
        };
        judge(START, now)
    }

    #[test]
    fn a_clock_that_runs_as_it_should_is_steady() {
        for clock in [Duration::ZERO, PAUSE / 2, PAUSE, PAUSE + HOUR] {
            assert_eq!(after(PAUSE, clock), Judgement::Steady, "{clock:?}");
        }
        let set_back = Reading {
            clock: 0,
            running: START.running + PAUSE,
        };
        assert_eq!(judge(START, set_back), Judgement::Steady);
    }

    #[test]
    fn a_clock_that_jumped_is_ahead_until_it_was_so_for_a_day() {
        let second = Duration::from_secs(1);
        assert_eq!(
            after(PAUSE, PAUSE + HOUR + second),
            Judgement::Ahead(HOUR + second)
        );
        for passed in [PAUSE, 2 * PAUSE, 23 * HOUR] {
            assert_eq!(after(passed, passed + YEAR), Judgement::Ahead(YEAR));
        }
        assert_eq!(after(24 * HOUR, 24 * HOUR + YEAR), Judgement::Steady);
    }
}
