//! Whether a function answers, judged by its recent calls.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// The function counts as broken from this number of instances lost without an answer in between.
const TOO_MANY: u32 = 3;
/// How long it counts as broken without a further loss. After that, only new calls can show whether it still is broken.
const HOLDS: Duration = Duration::from_secs(10);
/// How long an answer counts as proof that the function answers.
const FRESH: Duration = Duration::from_secs(1);

/// The outcome of a function's recent calls.
pub(super) struct Pulse {
    start: Instant,
    /// When a call was last answered, in milliseconds since `start`; 0 if none was.
    answered_ms: AtomicU64,
    /// Instances lost since then.
    lost: AtomicU32,
    last_loss: Mutex<Option<Instant>>,
}

impl Pulse {
    /// The state of a function that starts now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            start: now,
            answered_ms: AtomicU64::new(0),
            lost: AtomicU32::new(0),
            last_loss: Mutex::new(None),
        }
    }

    /// Records that a call was answered.
    pub(super) fn answered(&self, now: Instant) {
        self.answered_ms.store(self.millis(now), Ordering::Relaxed);
        // Usually there is nothing to write. Without the write, the cores do not compete for the cache line.
        if self.lost.load(Ordering::Relaxed) > 0 {
            self.lost.store(0, Ordering::Relaxed);
        }
    }

    /// Records that an instance was lost, or given up with a call that it never answered.
    pub(super) fn lost(&self, now: Instant) {
        self.lost.fetch_add(1, Ordering::Relaxed);
        *self.last_loss() = Some(now);
    }

    /// Whether instances are being lost one after another, with their calls.
    pub(super) fn is_losing(&self, now: Instant) -> bool {
        self.lost.load(Ordering::Relaxed) >= TOO_MANY
            && self
                .last_loss()
                .is_some_and(|last| now.duration_since(last) < HOLDS)
    }

    /// Whether a call was answered within the last second.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        let answered = self.answered_ms.load(Ordering::Relaxed);
        let age = self.millis(now).saturating_sub(answered);
        answered > 0 && u128::from(age) < FRESH.as_millis()
    }

    fn millis(&self, now: Instant) -> u64 {
        let millis = now.duration_since(self.start).as_millis();
        u64::try_from(millis).unwrap_or(u64::MAX).max(1)
    }

    fn last_loss(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.last_loss
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_losses_in_a_row_are_too_many_until_an_answer_or_ten_seconds() {
        let start = Instant::now();
        let pulse = Pulse::new(start);
        pulse.lost(start);
        pulse.lost(start);
        assert!(!pulse.is_losing(start));
        pulse.answered(start);
        pulse.lost(start);
        pulse.lost(start);
        assert!(!pulse.is_losing(start));
        pulse.lost(start);
        assert!(pulse.is_losing(start + HOLDS - Duration::from_millis(1)));
        assert!(!pulse.is_losing(start + HOLDS));
        pulse.lost(start + HOLDS);
        assert!(pulse.is_losing(start + HOLDS));
        pulse.answered(start + HOLDS);
        assert!(!pulse.is_losing(start + HOLDS));
    }

    #[test]
    fn an_answer_is_proof_for_a_second() {
        let start = Instant::now();
        let pulse = Pulse::new(start);
        assert!(!pulse.is_fresh(start));
        pulse.answered(start);
        assert!(pulse.is_fresh(start + FRESH));
        assert!(!pulse.is_fresh(start + FRESH + Duration::from_millis(1)));
    }
}
