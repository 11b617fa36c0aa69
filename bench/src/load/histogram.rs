//! Times in buckets that are at most 3 % wide.

use std::time::Duration;

/// The number of buckets per doubling.
const STEPS: u64 = 32;

/// A histogram of nanoseconds.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; 64 * 32],
            total: 0,
        }
    }

    pub(crate) fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(nanos)) {
            *count += 1;
            self.total += 1;
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (own, more) in self.counts.iter_mut().zip(&other.counts) {
            *own += more;
        }
        self.total += other.total;
    }

    /// The time within which this share of all requests was answered.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "counts of a bench are far below where this matters"
        )]
        let rank = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in (0..).zip(&self.counts) {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(upper(bucket));
            }
        }
        Duration::ZERO
    }
}

fn bucket(nanos: u64) -> usize {
    let doubling = nanos.max(STEPS).ilog2() - STEPS.ilog2();
    let bucket = u64::from(doubling) * STEPS + (nanos >> doubling);
    usize::try_from(bucket).unwrap_or(usize::MAX)
}

fn upper(bucket: u64) -> u64 {
    if bucket < STEPS {
        return bucket;
    }
    let doubling = bucket / STEPS - 1;
    (((bucket - doubling * STEPS) + 1) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_within_three_percent() {
        let mut histogram = Histogram::new();
        for micros in 1..=1000 {
            histogram.record(Duration::from_micros(micros));
        }
        for (share, expected) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0)] {
            let found = histogram.quantile(share).as_secs_f64() * 1e6;
            assert!((found / expected - 1.0).abs() < 0.035, "{share}: {found}");
        }
    }
}
