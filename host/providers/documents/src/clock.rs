//! The clock of a cloud's service, as far as its responses show it.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use twin_capabilities::{
    Instant,
    provider::{Clock, micros, system_clock},
};

/// What a `Date` header leaves open: it has whole seconds.
const RESOLUTION: Instant = 1_000_000;

/// The time of a cloud's service: this machine's clock, corrected by the dates of the service's responses. Clones share the
/// correction.
///
/// All hosts of a twin agree on the service's time, whatever their own clocks show, to within a second and the time that a call
/// takes. Before the first response it is this machine's clock.
#[derive(Clone)]
pub struct ServiceClock {
    machine: Clock,
    /// By how many microseconds the service is ahead of the machine.
    ahead: Arc<AtomicI64>,
}

impl fmt::Debug for ServiceClock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ServiceClock")
            .field("ahead", &self.ahead)
            .finish_non_exhaustive()
    }
}

impl Default for ServiceClock {
    fn default() -> Self {
        Self::over(system_clock())
    }
}

impl ServiceClock {
    /// Corrects another clock.
    #[must_use]
    pub fn over(machine: Clock) -> Self {
        Self {
            machine,
            ahead: Arc::default(),
        }
    }

    /// The time of the service.
    #[must_use]
    pub fn now(&self) -> Instant {
        let ahead = self.ahead.load(Ordering::Relaxed);
        (self.machine)().saturating_add(ahead)
    }

    /// The same clock in the form in which stores take one.
    #[must_use]
    pub fn as_clock(&self) -> Clock {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }

    /// A response has just arrived, `took` after its request was sent, and its `Date` was `date`, in whole seconds. The clock is
    /// set only if it contradicts that: so it does not jump to and fro within a second.
    pub fn observe(&self, date: Instant, took: Duration) {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let now = (self.machine)().saturating_add(ahead);
        // The service wrote the date at some moment while the call was under way.
        let (earliest, latest) = (
            date,
            date.saturating_add(RESOLUTION).saturating_add(micros(took)),
        );
        let right = now.clamp(earliest, latest);
        if right != now {
            // If another response has corrected it meanwhile, that one counts.
            let corrected = ahead.saturating_add(right - now);
            let _ =
                self.ahead
                    .compare_exchange(ahead, corrected, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use twin_capabilities::testing::ManualClock;

    use super::*;

    const SECOND: Instant = 1_000_000;
    const QUICK: Duration = Duration::from_millis(10);

    #[test]
    fn the_services_date_corrects_the_machines_clock() {
        let machine = ManualClock::new();
        let start = machine.now();
        let clock = ServiceClock::over(machine.as_clock());
        assert_eq!(clock.now(), start);
        // The same second: nothing to correct.
        machine.turn(900_000);
        clock.observe(start, QUICK);
        assert_eq!(clock.now(), machine.now());
        // An hour ahead, then a day behind.
        clock.observe(start + 3600 * SECOND, QUICK);
        assert_eq!(clock.now(), start + 3600 * SECOND);
        clock.observe(start - 86_400 * SECOND, QUICK);
        assert_eq!(clock.now(), start - 86_399 * SECOND + 10_000);
        // It runs on, and every clone with it.
        machine.turn(5 * SECOND);
        assert_eq!(
            (clock.clone().as_clock())(),
            start - 86_394 * SECOND + 10_000
        );
    }

    #[test]
    fn a_slow_answer_says_less() {
        let machine = ManualClock::new();
        let clock = ServiceClock::over(machine.as_clock());
        let date = machine.now();
        machine.turn(4 * SECOND);
        clock.observe(date, Duration::from_secs(4));
        assert_eq!(clock.now(), machine.now());
    }
}
