//! How long a function may take: layers share one budget, so that their retries do not multiply.

/// What a receiver subtracts from its sender's patience, and a connector keeps back to bring a letter to safety.
const RESERVE_MS: u64 = 500;
/// An attempt with less time than this is not worth making.
pub(crate) const SHORTEST_ATTEMPT_MS: u64 = 100;

/// The instant by which a function must have answered, in milliseconds of a monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(u64);

impl Deadline {
    /// The smallest of the function's own limit, what the host says is left, and what the sender will wait
    /// (`x-twin-timeout-ms`) less half a second. A header that is no number says nothing.
    pub fn new(now: u64, own_ms: u64, time_left_ms: Option<u32>, header: Option<&str>) -> Self {
        let sender_ms = header
            .and_then(|text| text.trim().parse::<u64>().ok())
            .map(|ms| ms.saturating_sub(RESERVE_MS));
        let ms = [Some(own_ms), time_left_ms.map(u64::from), sender_ms]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(own_ms);
        Self(now.saturating_add(ms))
    }

    /// Milliseconds for attempts and waits: what is left, less the time it takes to store a letter.
    pub const fn time_left(self, now: u64) -> u64 {
        self.0.saturating_sub(now).saturating_sub(RESERVE_MS)
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_of_the_three_counts() {
        for (own, host, header, expected) in [
            (25_000, None, None, 25_000),
            (25_000, Some(9_000), None, 9_000),
            (25_000, Some(30_000), Some("10000"), 9_500),
            (25_000, None, Some("10000"), 9_500),
            (25_000, None, Some("100"), 0),
            (25_000, None, Some("soon"), 25_000),
            (25_000, None, Some("999999999999999999999999"), 25_000),
        ] {
            let deadline = Deadline::new(7, own, host, header);
            assert_eq!(
                deadline,
                Deadline(7 + expected),
                "{own} {host:?} {header:?}"
            );
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
}
