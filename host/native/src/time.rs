//! The clocks and random numbers of the functions.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio::time::Instant;
use twin_contract::Timestamp;

/// The source of the functions' time and random numbers. Clones share one source.
///
/// The monotonic clock and waits are always tokio's, so a test that pauses tokio's clock controls both.
#[derive(Clone, Debug)]
pub struct Time {
    start: Instant,
    /// The wall clock's time at `start`, since 1970; `None` uses the machine's.
    epoch: Option<Duration>,
    /// `None` uses the operating system's.
    dice: Option<Arc<Mutex<StdRng>>>,
}

impl Time {
    /// The machine's clocks and unpredictable numbers.
    pub fn real() -> Self {
        Self {
            start: Instant::now(),
            epoch: None,
            dice: None,
        }
    }

    /// A wall clock that shows `epoch` (since 1970) now and advances with tokio's clock, and the numbers generated from a
    /// seed.
    pub fn simulated(epoch: Duration, seed: u64) -> Self {
        Self {
            start: Instant::now(),
            epoch: Some(epoch),
            dice: Some(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        let since_1970 = match self.epoch {
            Some(epoch) => epoch + self.start.elapsed(),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        };
        Timestamp::from_micros(i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX))
    }

    pub(crate) fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    pub(crate) fn random(&self) -> u64 {
        match &self.dice {
            // A number is always drawn completely, so the generator is consistent after a panic.
            Some(dice) => dice.lock().unwrap_or_else(PoisonError::into_inner).random(),
            None => rand::random(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn simulated_time_is_tokios_and_chance_follows_from_the_seed() {
        let epoch = Duration::from_secs(1_767_225_600);
        let time = Time::simulated(epoch, 7);
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert_eq!(time.now().as_micros(), 1_767_225_601_500_000);
        assert_eq!(time.monotonic(), Duration::from_millis(1_500));
        let again = Time::simulated(epoch, 7);
        let drawn = [time.random(), time.clone().random()];
        assert_eq!(drawn, [again.random(), again.random()]);
        assert_ne!(drawn[0], drawn[1]);
        assert_ne!(drawn[0], Time::simulated(epoch, 8).random());
    }

    #[test]
    fn real_time_is_the_machines_and_chance_is_not_repeated() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let _entered = runtime.as_ref().map(|runtime| runtime.enter());
        let time = Time::real();
        let machine = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let off = time.now().as_micros().abs_diff(machine.as_micros() as i64);
        assert!(off < 60_000_000, "{off} µs");
        assert_ne!(time.random(), time.random());
    }
}
