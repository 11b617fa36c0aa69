//! How often a system error may be published: at most one per subject and code in ten seconds, with a count of the others.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use twin_delivery::Mono;

/// The minimum time between two events of one subject and code.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);

/// The state of each key. There are few keys, so a linear search is fast.
#[derive(Debug)]
pub(crate) struct Windows(Mutex<Vec<(String, Window)>>);

#[derive(Debug, Default)]
struct Window {
    /// When the last event was published, if ever.
    last: Option<Mono>,
    /// The number of occurrences since.
    count: u64,
}

impl Windows {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Counts an occurrence. If an event for this key is due, returns the number of occurrences it represents, including
    /// this one.
    pub(crate) fn due(&self, key: &str, now: Mono) -> Option<u64> {
        self.with(key, |window| {
            window.count += 1;
            let due = window.last.is_none_or(|last| now.since(last) >= INTERVAL);
            due.then(|| {
                window.last = Some(now);
                std::mem::take(&mut window.count)
            })
        })
    }

    /// Restores a count that was due but did not become an event, because another instance published at `published`. The
    /// count becomes part of the next event, which is due ten seconds after the other instance's.
    pub(crate) fn postpone(&self, key: &str, count: u64, published: Mono) {
        self.with(key, |window| {
            window.count += count;
            window.last = Some(published);
        });
    }

    fn with<T>(&self, key: &str, act: impl FnOnce(&mut Window) -> T) -> T {
        let mut windows = self.lock();
        if let Some((_, window)) = windows.iter_mut().find(|(known, _)| known == key) {
            return act(window);
        }
        let mut window = Window::default();
        let result = act(&mut window);
        windows.push((key.to_owned(), window));
        result
    }

    /// A call that panics leaves the list consistent, so a poisoned lock can still be used.
    fn lock(&self) -> MutexGuard<'_, Vec<(String, Window)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Mono {
        Mono::new(Duration::from_secs(seconds))
    }

    #[test]
    fn one_of_a_key_is_due_in_ten_seconds_and_stands_for_those_before_it() {
        let windows = Windows::new();
        assert_eq!(windows.due("a", at(5)), Some(1));
        assert_eq!(windows.due("a", at(6)), None);
        assert_eq!(windows.due("b", at(6)), Some(1));
        assert_eq!(windows.due("a", at(14)), None);
        assert_eq!(windows.due("a", at(15)), Some(3));
        assert_eq!(windows.due("a", at(16)), None);
    }

    #[test]
    fn a_count_given_back_is_part_of_the_next() {
        let windows = Windows::new();
        assert_eq!(windows.due("a", at(20)), Some(1));
        windows.postpone("a", 1, at(15));
        assert_eq!(windows.due("a", at(24)), None);
        assert_eq!(windows.due("a", at(25)), Some(3));
    }
}
