//! The numbers of delivery, read from the function's settings.

use crate::{BreakerSettings, RetryPolicy};

/// Everything that `RETRY_*`, `CIRCUIT_*` and the two time limits say; the defaults are the specification's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeliverySettings {
    /// When to try again.
    pub retry: RetryPolicy,
    /// When not to try at all.
    pub breaker: BreakerSettings,
    /// How long a function may take, in milliseconds.
    pub function_deadline_ms: u64,
    /// How long one attempt may take, in milliseconds.
    pub attempt_timeout_ms: u64,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        Self {
            retry: RetryPolicy {
                initial_ms: 1_000,
                multiplier: 2.0,
                max_retries: 3,
                jitter_percent: 10,
            },
            breaker: BreakerSettings {
                failing_ms: 60_000,
                open_ms: 300_000,
                probe_lease_ms: 11_000,
            },
            function_deadline_ms: 25_000,
            attempt_timeout_ms: 10_000,
        }
    }
}

impl DeliverySettings {
    /// The names of the settings that [`Self::set`] knows.
    pub const NAMES: [&str; 8] = [
        "RETRY_INITIAL_MS",
        "RETRY_MULTIPLIER",
        "RETRY_MAX",
        "RETRY_JITTER_PERCENT",
        "CIRCUIT_FAILING_SECONDS",
        "CIRCUIT_OPEN_SECONDS",
        "FUNCTION_DEADLINE_MS",
        "ATTEMPT_TIMEOUT_MS",
    ];

    /// Takes the value of one setting. False if the name is unknown or the value no number of its range; the old value
    /// then stays.
    pub fn set(&mut self, name: &str, value: &str) -> bool {
        fn store<T: std::str::FromStr>(slot: &mut T, value: &str) -> bool {
            value.trim().parse().map(|value| *slot = value).is_ok()
        }
        fn seconds(slot: &mut u64, value: &str) -> bool {
            // Tests and the demo set fractions of a second.
            let parsed = value.trim().parse::<f64>().ok();
            let valid = parsed.filter(|seconds| (0.0..=1e9).contains(seconds));
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked against the range"
            )]
            valid
                .map(|seconds| *slot = (seconds * 1e3) as u64)
                .is_some()
        }
        match name {
            "RETRY_INITIAL_MS" => store(&mut self.retry.initial_ms, value),
            "RETRY_MULTIPLIER" => {
                let mut multiplier = self.retry.multiplier;
                let valid = store(&mut multiplier, value) && (1.0..=100.0).contains(&multiplier);
                if valid {
                    self.retry.multiplier = multiplier;
                }
                valid
            }
            "RETRY_MAX" => store(&mut self.retry.max_retries, value),
            "RETRY_JITTER_PERCENT" => store(&mut self.retry.jitter_percent, value),
            "CIRCUIT_FAILING_SECONDS" => seconds(&mut self.breaker.failing_ms, value),
            "CIRCUIT_OPEN_SECONDS" => seconds(&mut self.breaker.open_ms, value),
            "FUNCTION_DEADLINE_MS" => store(&mut self.function_deadline_ms, value),
            "ATTEMPT_TIMEOUT_MS" => {
                let valid = store(&mut self.attempt_timeout_ms, value);
                // A probe that is still under way after its attempt must have ended is a probe that was killed.
                self.breaker.probe_lease_ms = self.attempt_timeout_ms.saturating_add(1_000);
                valid
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_and_takes_a_number() {
        let mut settings = DeliverySettings::default();
        for name in DeliverySettings::NAMES {
            assert!(settings.set(name, "7"), "{name}");
            assert!(!settings.set(name, "many"), "{name}");
        }
        assert_eq!(settings.retry.max_retries, 7);
        assert_eq!(settings.breaker.failing_ms, 7_000);
        assert_eq!(settings.breaker.probe_lease_ms, 1_007);
        assert!(!settings.set("TWIN_NAME", "7"));
        assert!(!settings.set("RETRY_MULTIPLIER", "0.5"));
        assert!(settings.set("CIRCUIT_OPEN_SECONDS", "0.25"));
        assert_eq!(settings.breaker.open_ms, 250);
    }
}
