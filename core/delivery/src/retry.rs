//! When to try again (spec §4: 1 s, doubled, at most 3 times).

use std::time::Duration;

use crate::{deadline::SHORTEST_ATTEMPT, millis};

/// If a receiver asks to wait longer than this, the message becomes a dead letter and is sent by replay.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Exponential backoff.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// The first wait.
    pub initial: Duration,
    /// The factor between one wait and the next; at least 1.
    pub multiplier: f64,
    /// Retries after the first attempt.
    pub max_retries: u32,
    /// Up to this percentage is added to a wait, so senders do not retry in step. 0 disables it.
    pub jitter_percent: u32,
}

/// What to do after a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// Wait this long, then try again.
    Wait(Duration),
    /// Do not try again.
    GiveUp(GiveUp),
}

/// Why there will be no further attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveUp {
    /// All retries are used up.
    RetriesExhausted,
    /// The peer asked to wait longer than 30 s.
    RetryAfterTooLong,
    /// The deadline is before the end of the next attempt.
    NoTimeLeft,
}

impl RetryPolicy {
    /// Decides after a retryable failure, when `retries` retries have been made and `time_left` remains.
    ///
    /// `retry_after` is the time that the peer asked for; `random` is any number, from which the jitter is derived. Waits
    /// are in whole milliseconds.
    pub fn next(
        &self,
        retries: u32,
        retry_after: Option<Duration>,
        time_left: Duration,
        random: u64,
    ) -> Next {
        if retry_after.is_some_and(|wish| wish > LONGEST_RETRY_AFTER) {
            return Next::GiveUp(GiveUp::RetryAfterTooLong);
        }
        if retries >= self.max_retries {
            return Next::GiveUp(GiveUp::RetriesExhausted);
        }
        let wait = self.backoff(retries).max(retry_after.unwrap_or_default());
        let wait = wait.saturating_add(self.jitter(wait, random));
        if wait.saturating_add(SHORTEST_ATTEMPT) > time_left {
            return Next::GiveUp(GiveUp::NoTimeLeft);
        }
        Next::Wait(wait)
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a float cast saturates, and a wait beyond the deadline is never waited"
    )]
    fn backoff(&self, retries: u32) -> Duration {
        let exponent = i32::try_from(retries).unwrap_or(i32::MAX);
        let ms = millis(self.initial) as f64 * self.multiplier.powi(exponent);
        Duration::from_millis(ms as u64)
    }

    /// 0 to `jitter_percent` percent of a wait, both ends included.
    fn jitter(&self, wait: Duration, random: u64) -> Duration {
        let most = millis(wait).saturating_mul(u64::from(self.jitter_percent)) / 100;
        Duration::from_millis(random % most.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SPEC: RetryPolicy = RetryPolicy {
        initial: Duration::from_secs(1),
        multiplier: 2.0,
        max_retries: 3,
        jitter_percent: 0,
    };

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_specifications_schedule_is_1_2_4_seconds() {
        let waits = (0..4).map(|retries| SPEC.next(retries, None, ms(60_000), 0));
        let expected = [
            Next::Wait(ms(1_000)),
            Next::Wait(ms(2_000)),
            Next::Wait(ms(4_000)),
            Next::GiveUp(GiveUp::RetriesExhausted),
        ];
        assert!(waits.eq(expected));
    }

    #[test]
    fn the_larger_of_backoff_and_retry_after_is_waited() {
        for (retries, retry_after, expected) in [
            (0, Some(7_000), Next::Wait(ms(7_000))),
            (2, Some(3_000), Next::Wait(ms(4_000))),
            (0, Some(30_000), Next::Wait(ms(30_000))),
            (0, Some(30_001), Next::GiveUp(GiveUp::RetryAfterTooLong)),
        ] {
            assert_eq!(
                SPEC.next(retries, retry_after.map(ms), ms(60_000), 0),
                expected
            );
        }
    }

    #[test]
    fn no_wait_outlasts_the_deadline() {
        assert_eq!(SPEC.next(0, None, ms(1_100), 0), Next::Wait(ms(1_000)));
        assert_eq!(
            SPEC.next(0, None, ms(1_099), 0),
            Next::GiveUp(GiveUp::NoTimeLeft)
        );
    }

    proptest! {
        #[test]
        fn jitter_adds_0_to_10_percent(random in any::<u64>(), retries in 0_u32..3) {
            let plain = SPEC.backoff(retries);
            let policy = RetryPolicy { jitter_percent: 10, ..SPEC };
            match policy.next(retries, None, ms(60_000), random) {
                Next::Wait(wait) => prop_assert!((plain..=plain + plain / 10).contains(&wait)),
                Next::GiveUp(reason) => prop_assert!(false, "{reason:?}"),
            }
        }

        #[test]
        fn no_settings_make_it_panic(
            initial in any::<u64>(), multiplier in any::<f64>(), max_retries in any::<u32>(),
            jitter_percent in any::<u32>(), retries in any::<u32>(), after in any::<Option<u64>>(), left in any::<u64>(),
        ) {
            let policy = RetryPolicy { initial: ms(initial), multiplier, max_retries, jitter_percent };
            if let Next::Wait(wait) = policy.next(retries, after.map(ms), ms(left), 17) {
                prop_assert!(wait <= ms(left));
            }
        }
    }
}
