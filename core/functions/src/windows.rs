//! How often a system error may be published: at most one per subject and code in ten seconds, with a count of the others.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use twin_delivery::Mono;

/// The minimum time between two events of one subject and code.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);

/// What was seen of each key. There are few of them: a search from the front is short.
#[derive(Debug)]
pub(crate) struct Windows(Mutex<Vec<(String, Window)>>);

#[derive(Debug, Default)]
struct Window {
    /// When the last one was published, if ever.
    last: Option<Mono>,
    /// How many have occurred since.
    count: u64,
}

impl Windows {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Counts an occurrence. If it is time for an event of this key, returns how many it stands for, itself included.
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

    /// Gives a count back that was due but did not become an event, because another instance published at `published`. It
    /// is part of the next, which is due when the other's ten seconds are over.
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

    /// A call that panics leaves the list consistent, so that a poisoned lock can still be used.
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
