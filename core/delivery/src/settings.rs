//! The values of the settings in the table.

use std::time::Duration;

use crate::{BreakerSettings, DELIVERY, RetryPolicy};

/// How long a probe may be overdue before it counts as lost.
const PROBE_MARGIN: Duration = Duration::from_secs(1);

/// The settings `RETRY_*`, `CIRCUIT_*` and the two time limits; the defaults are the specification's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeliverySettings {
    /// When to try again.
    pub retry: RetryPolicy,
    /// How long a peer fails before its circuit opens.
    pub circuit_failing: Duration,
    /// How long an open circuit sends nothing.
    pub circuit_open: Duration,
    /// How long one attempt may take.
    pub attempt_timeout: Duration,
    /// How long a call of a function may take.
    pub function_deadline: Duration,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        let mut settings = Self {
            retry: RetryPolicy {
                initial: Duration::ZERO,
                multiplier: 0.0,
                max_retries: 0,
                jitter_percent: 0,
            },
            circuit_failing: Duration::ZERO,
            circuit_open: Duration::ZERO,
            attempt_timeout: Duration::ZERO,
            function_deadline: Duration::ZERO,
        };
        // Each of these fields has a line with its default in the table.
        for setting in &DELIVERY {
            setting.reset(&mut settings);
        }
        settings
    }
}

impl DeliverySettings {
    /// The settings of the circuit breaker.
    pub const fn breaker(&self) -> BreakerSettings {
        BreakerSettings {
            failing: self.circuit_failing,
            open: self.circuit_open,
            // A probe without a result after the time limit of its attempt was lost with its instance.
            probe_lease: self.attempt_timeout.saturating_add(PROBE_MARGIN),
        }
    }

    /// The value of a setting of the table [`DELIVERY`], as text; `None` for other names.
    pub fn get(&self, name: &str) -> Option<String> {
        let setting = DELIVERY.iter().find(|setting| setting.name == name)?;
        setting.text(self)
    }
}
