//! Work that must continue after a panic.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use futures_util::FutureExt;

/// The pause between a panic and the next attempt, so that work that panics immediately does not occupy a core.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs the work of a thread until it returns, and calls it again after a panic. The panic itself is logged where it
/// happens.
///
/// The state that the work keeps between calls must be consistent after a panic; each caller explains why it is.
pub fn until_done(mut work: impl FnMut()) {
    while catch_unwind(AssertUnwindSafe(&mut work)).is_err() {
        thread::sleep(PAUSE);
    }
}

/// The output of a future; `None` if it panicked.
pub async fn unless_panic<T>(future: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(future).catch_unwind().await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_panics_goes_on() {
        let mut rounds = 0;
        until_done(|| {
            rounds += 1;
            assert!(rounds > 3, "not yet");
        });
        assert_eq!(rounds, 4);
    }

    #[tokio::test]
    async fn a_future_that_panics_has_no_output() {
        assert_eq!(unless_panic(async { 7 }).await, Some(7));
        let panics = async { assert!(PAUSE.is_zero(), "as it should") };
        assert_eq!(unless_panic(panics).await, None);
    }
}
