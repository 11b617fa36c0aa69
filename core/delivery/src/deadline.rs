//! How long a function may take: layers share one budget, so that their retries do not multiply.

/// What a receiver subtracts from its sender's patience, and a connector keeps back to bring a letter to safety, at most.
const LONGEST_RESERVE_MS: u64 = 500;
/// An attempt with less time than this is not worth making.
pub(crate) const SHORTEST_ATTEMPT_MS: u64 = 100;

/// What is kept back of a span: half a second, but no more than a quarter. Several layers take theirs from one patience, and
/// a short one must not be all reserve.
const fn reserve_ms(span_ms: u64) -> u64 {
    let quarter = span_ms / 4;
    if quarter < LONGEST_RESERVE_MS {
        quarter
    } else {
        LONGEST_RESERVE_MS
    }
}

/// What a deadline follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    /// The function's own.
    Own,
    /// What the host gives the call.
    Host,
    /// The sender's patience, in milliseconds.
    Sender(u64),
}

/// The instant by which a function must have answered, in milliseconds of a monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    end: u64,
    /// From the arrival to the end.
    span_ms: u64,
    /// Kept back to store a letter: fixed once, so that it does not shrink as time passes.
    reserve_ms: u64,
    limit: Limit,
}

impl Deadline {
    /// The smallest of the function's own limit, what the host says is left, and what the sender will wait
    /// (`x-twin-timeout-ms`) less a reserve for the way back: half a second, or a quarter if that is less. A header that is
    /// no number says nothing.
    pub fn new(now: u64, own_ms: u64, time_left_ms: Option<u32>, header: Option<&str>) -> Self {
        let sender_ms = header.and_then(|text| text.trim().parse::<u64>().ok());
        let limits = [
            Some((own_ms, Limit::Own)),
            time_left_ms.map(|ms| (u64::from(ms), Limit::Host)),
            sender_ms.map(|ms| (ms.saturating_sub(reserve_ms(ms)), Limit::Sender(ms))),
        ];
        let (span_ms, limit) = limits
            .into_iter()
            .flatten()
            .min_by_key(|(ms, _)| *ms)
            .unwrap_or((own_ms, Limit::Own));
        Self {
            end: now.saturating_add(span_ms),
            span_ms,
            reserve_ms: reserve_ms(span_ms),
            limit,
        }
    }

    /// Milliseconds for attempts and waits: what is left, less the time it takes to store a letter.
    pub const fn time_left(self, now: u64) -> u64 {
        self.end.saturating_sub(now).saturating_sub(self.reserve_ms)
    }

    /// Whether there is time for an attempt. One without would only look as if the peer were at fault.
    pub const fn allows_attempt(self, now: u64) -> bool {
        self.time_left(now) >= SHORTEST_ATTEMPT_MS
    }

    /// How long one attempt may take, in milliseconds.
    pub fn attempt_timeout(self, now: u64, attempt_timeout_ms: u64) -> u32 {
        let ms = self.time_left(now).min(attempt_timeout_ms);
        u32::try_from(ms).unwrap_or(u32::MAX)
    }

    /// Why not even an attempt at once would have had the time, with the arithmetic and what to change; none if it would.
    pub fn shortage(self) -> Option<String> {
        let left = self.span_ms.saturating_sub(self.reserve_ms);
        if left >= SHORTEST_ATTEMPT_MS {
            return None;
        }
        let (span, letter) = (self.span_ms, self.reserve_ms);
        let (whose, advice) = match self.limit {
            Limit::Own => (
                format!("FUNCTION_DEADLINE_MS gives {span} ms"),
                "raise FUNCTION_DEADLINE_MS",
            ),
            Limit::Host => (
                format!("the host gives this call {span} ms"),
                "raise FUNCTION_DEADLINE_MS",
            ),
            Limit::Sender(ms) => (
                format!(
                    "the sender waits {ms} ms (x-twin-timeout-ms), of which {} ms are for the way back",
                    reserve_ms(ms)
                ),
                "raise ATTEMPT_TIMEOUT_MS or FUNCTION_DEADLINE_MS at the sender",
            ),
        };
        Some(format!(
            "{whose}, and {letter} ms are kept to store a dead letter: {left} ms are left, and an attempt takes at least \
             {SHORTEST_ATTEMPT_MS} ms; {advice}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            let deadline = Deadline::new(7, own, host, header);
            assert_eq!(deadline.end, 7 + expected, "{own} {host:?} {header:?}");
        }
    }

    #[test]
    fn half_a_second_is_kept_for_the_letter() {
        let deadline = Deadline::new(0, 2_000, None, None);
        assert_eq!(deadline.time_left(0), 1_500);
        assert_eq!(deadline.time_left(1_600), 0);
        assert_eq!(deadline.attempt_timeout(0, 10_000), 1_500);
        assert_eq!(deadline.attempt_timeout(0, 1_000), 1_000);
        assert!(deadline.allows_attempt(1_400));
        assert!(!deadline.allows_attempt(1_401));
    }

    #[test]
    fn of_a_short_span_a_quarter_is_kept_and_it_stays_that() {
        let deadline = Deadline::new(0, 1_000, None, None);
        assert_eq!(deadline.time_left(0), 750);
        assert_eq!(deadline.time_left(500), 250);
        assert!(deadline.allows_attempt(650));
        assert!(!deadline.allows_attempt(651));
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
            let deadline = Deadline::new(0, own, host, header);
            assert_eq!(deadline.shortage().as_deref(), Some(expected));
        }
        for (own, header) in [(133, None), (25_000, Some("178")), (25_000, Some("soon"))] {
            assert_eq!(
                Deadline::new(0, own, None, header).shortage(),
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
            let deadline = Deadline::new(9, own, host.map(u32::from), text.as_deref());
            let patience = [Some(own), host.map(u64::from), header.map(u64::from)].into_iter().flatten().min();
            let patience = patience.unwrap_or(own);
            prop_assert!(deadline.time_left(9) >= patience * 9 / 16);
            prop_assert!(deadline.time_left(9) <= own);
            prop_assert_eq!(deadline.shortage().is_none(), deadline.allows_attempt(9));
        }
    }
}
