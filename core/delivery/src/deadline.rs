//! How long a function may take: layers share one budget, so that their retries do not multiply.

use std::time::Duration;

use crate::{Mono, millis};

/// The largest reserve: what a receiver subtracts from the time its sender waits, or what a connector reserves for storing
/// a letter.
const LONGEST_RESERVE: Duration = Duration::from_millis(500);
/// The shortest time with which an attempt is made.
pub(crate) const SHORTEST_ATTEMPT: Duration = Duration::from_millis(100);

/// The reserve of a span: half a second, but at most a quarter of the span. Several layers subtract their reserves from the
/// time of one sender, so a short span must not be used up by them. Whole milliseconds, so the numbers in the report of a
/// shortage add up.
fn reserve(span: Duration) -> Duration {
    Duration::from_millis(millis(span) / 4).min(LONGEST_RESERVE)
}

/// What determines a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// The function's own limit.
    Own,
    /// The time that the host gives the call.
    Host,
    /// The time that the sender waits.
    Sender(Duration),
}

/// The instant by which a function must have answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    end: Mono,
    /// From the arrival to the deadline.
    span: Duration,
    /// Reserved for storing a letter. Computed once, so it does not shrink as time passes.
    reserve: Duration,
    limit: Limit,
}

impl Deadline {
    /// The smallest of the function's own limit, the time that the host has left, and the time that the sender will wait
    /// (`x-twin-timeout-ms`) minus a reserve for the reply: half a second, or a quarter if that is less. A header that is
    /// not a number is ignored.
    pub fn new(
        now: Mono,
        own: Duration,
        time_left: Option<Duration>,
        header: Option<&str>,
    ) -> Self {
        let sender = header
            .and_then(|text| text.trim().parse().ok())
            .map(Duration::from_millis);
        let limits = [
            Some((own, Limit::Own)),
            time_left.map(|left| (left, Limit::Host)),
            sender.map(|patience| {
                let left = patience.saturating_sub(reserve(patience));
                (left, Limit::Sender(patience))
            }),
        ];
        let (span, limit) = limits
            .into_iter()
            .flatten()
            .min_by_key(|(span, _)| *span)
            .unwrap_or((own, Limit::Own));
        Self {
            end: now.after(span),
            span,
            reserve: reserve(span),
            limit,
        }
    }

    /// The time for attempts and waits: the remaining time, minus the reserve for storing a letter.
    pub const fn time_left(self, now: Mono) -> Duration {
        self.end.since(now).saturating_sub(self.reserve)
    }

    /// Whether there is time for an attempt. An attempt with too little time would make the peer look faulty.
    pub fn allows_attempt(self, now: Mono) -> bool {
        self.time_left(now) >= SHORTEST_ATTEMPT
    }

    /// How long one attempt may take.
    pub fn attempt_timeout(self, now: Mono, attempt_timeout: Duration) -> Duration {
        self.time_left(now).min(attempt_timeout)
    }

    /// Why there was too little time even for an immediate attempt, with the calculation and what to change; `None` if
    /// there was enough.
    pub fn shortage(self) -> Option<String> {
        let left = self.span.saturating_sub(self.reserve);
        if left >= SHORTEST_ATTEMPT {
            return None;
        }
        let (span, letter, left) = (millis(self.span), millis(self.reserve), millis(left));
        let (whose, advice) = match self.limit {
            Limit::Own => (
                format!("FUNCTION_DEADLINE_MS gives {span} ms"),
                "raise FUNCTION_DEADLINE_MS",
            ),
            Limit::Host => (
                format!("the host gives this call {span} ms"),
                "raise FUNCTION_DEADLINE_MS",
            ),
            Limit::Sender(patience) => (
                format!(
                    "the sender waits {} ms (x-twin-timeout-ms), of which {} ms are for the way back",
                    millis(patience),
                    millis(reserve(patience))
                ),
                "raise ATTEMPT_TIMEOUT_MS or FUNCTION_DEADLINE_MS at the sender",
            ),
        };
        let least = millis(SHORTEST_ATTEMPT);
        Some(format!(
            "{whose}, and {letter} ms are kept to store a dead letter: {left} ms are left, and an attempt takes at least \
             {least} ms; {advice}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    const fn at(elapsed: u64) -> Mono {
        Mono::new(ms(elapsed))
    }

    #[test]
    fn the_smallest_of_the_three_counts() {
        for (own, host, header, expected) in [
            (25_000, None, None, 25_000),
            (25_000, Some(9_000), None, 9_000),
            (25_000, Some(30_000), Some("10000"), 9_500),
            (25_000, None, Some("10000"), 9_500),
            (25_000, None, Some("2000"), 1_500),
            (25_000, None, Some("1000"), 750),
            (25_000, None, Some("100"), 75),
            (25_000, None, Some("0"), 0),
            (25_000, None, Some("soon"), 25_000),
            (25_000, None, Some("999999999999999999999999"), 25_000),
        ] {
            let deadline = Deadline::new(at(7), ms(own), host.map(ms), header);
            assert_eq!(deadline.end, at(7 + expected), "{own} {host:?} {header:?}");
        }
    }

    #[test]
    fn half_a_second_is_kept_for_the_letter() {
        let deadline = Deadline::new(at(0), ms(2_000), None, None);
        assert_eq!(deadline.time_left(at(0)), ms(1_500));
        assert_eq!(deadline.time_left(at(1_600)), ms(0));
        assert_eq!(deadline.attempt_timeout(at(0), ms(10_000)), ms(1_500));
        assert_eq!(deadline.attempt_timeout(at(0), ms(1_000)), ms(1_000));
        assert!(deadline.allows_attempt(at(1_400)));
        assert!(!deadline.allows_attempt(at(1_401)));
    }

    #[test]
    fn of_a_short_span_a_quarter_is_kept_and_it_stays_that() {
        let deadline = Deadline::new(at(0), ms(1_000), None, None);
        assert_eq!(deadline.time_left(at(0)), ms(750));
        assert_eq!(deadline.time_left(at(500)), ms(250));
        assert!(deadline.allows_attempt(at(650)));
        assert!(!deadline.allows_attempt(at(651)));
    }

    #[test]
    fn a_shortage_is_told_with_its_arithmetic() {
        for (own, host, header, expected) in [
            (
                132,
                None,
                None,
                "FUNCTION_DEADLINE_MS gives 132 ms, and 33 ms are kept to store a dead letter: 99 ms are left, and an attempt takes at least 100 ms; raise FUNCTION_DEADLINE_MS",
            ),
            (
                25_000,
                Some(40),
                None,
                "the host gives this call 40 ms, and 10 ms are kept to store a dead letter: 30 ms are left, and an attempt takes at least 100 ms; raise FUNCTION_DEADLINE_MS",
            ),
            (
                25_000,
                None,
                Some("160"),
                "the sender waits 160 ms (x-twin-timeout-ms), of which 40 ms are for the way back, and 30 ms are kept to store a dead letter: 90 ms are left, and an attempt takes at least 100 ms; raise ATTEMPT_TIMEOUT_MS or FUNCTION_DEADLINE_MS at the sender",
            ),
        ] {
            let deadline = Deadline::new(at(0), ms(own), host.map(ms), header);
            assert_eq!(deadline.shortage().as_deref(), Some(expected));
        }
        for (own, header) in [(133, None), (25_000, Some("178")), (25_000, Some("soon"))] {
            assert_eq!(
                Deadline::new(at(0), ms(own), None, header).shortage(),
                None,
                "{own}"
            );
        }
    }

    proptest! {
        #[test]
        fn layers_leave_a_part_of_every_patience_and_a_shortage_is_what_allows_no_attempt(
            own in 0_u64..40_000, host in any::<Option<u16>>(), header in any::<Option<u16>>(),
        ) {
            let text = header.map(|ms| ms.to_string());
            let deadline = Deadline::new(at(9), ms(own), host.map(|host| ms(host.into())), text.as_deref());
            let patience = [Some(own), host.map(u64::from), header.map(u64::from)].into_iter().flatten().min();
            let patience = patience.unwrap_or(own);
            prop_assert!(deadline.time_left(at(9)) >= ms(patience * 9 / 16));
            prop_assert!(deadline.time_left(at(9)) <= ms(own));
            prop_assert_eq!(deadline.shortage().is_none(), deadline.allows_attempt(at(9)));
        }
    }
}
