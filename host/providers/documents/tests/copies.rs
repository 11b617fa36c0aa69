//! Copies of dead letters: of each new letter one, and never at the letter's expense.

#![cfg(test)]

mod common;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use common::{TWIN, store, stores};
use futures_util::future::join_all;
use tokio::time::Instant;
use twin_capabilities::{
    DeadLetters,
    testing::{
        ManualClock,
        samples::{any_letter, letter},
    },
};
use twin_documents::{
    COPY_LIMIT, InMemory, Kind, LetterCopies, LetterCopy, ServiceError, Settings,
};

/// A service for copies that answers so, after this time.
#[derive(Default)]
struct Copies {
    copied: Mutex<Vec<LetterCopy>>,
    fails: bool,
    takes: Duration,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

#[async_trait]
impl LetterCopies for Copies {
    async fn send(&self, copy: &LetterCopy) -> Result<(), ServiceError> {
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(self.takes).await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        if self.fails {
            return Err(ServiceError {
                service: "Queues",
                action: "queues:Send",
                code: "NoSuchQueue".to_owned(),
                kind: Kind::Missing,
            });
        }
        self.copied.lock().unwrap().push(copy.clone());
        Ok(())
    }
}

fn letters(copies: &Arc<Copies>, clock: &ManualClock) -> Arc<dyn DeadLetters> {
    let store = store(&InMemory::default(), TWIN, clock, Settings::default());
    stores(&store.with_copies(copies.clone())).dead_letters
}

#[tokio::test(start_paused = true)]
async fn each_new_letter_is_copied_once() {
    let (copies, clock) = (Arc::new(Copies::default()), ManualClock::new());
    let letters = letters(&copies, &clock);
    for letter_id in ["a", "a", "b"] {
        letters.push(letter(letter_id)).await.unwrap();
    }
    // A lease is not a new letter, and neither is one that is given back.
    let taken = letters.take(any_letter(), None, 1, 1000).await.unwrap();
    let receipt = taken.leases[0].receipt.clone();
    let released = letters.release("a".to_owned(), receipt, None).await;
    assert_eq!(released, Ok(true));
    let expected = ["a", "b"].map(|letter_id| LetterCopy {
        letter: letter(letter_id),
        stored_at: clock.now(),
    });
    assert_eq!(*copies.copied.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_letter_is_stored_though_its_copy_fails_or_hangs() {
    let failing = Copies {
        fails: true,
        ..Copies::default()
    };
    let hanging = Copies {
        takes: Duration::from_secs(3600),
        ..Copies::default()
    };
    for (copies, takes) in [(failing, Duration::ZERO), (hanging, COPY_LIMIT)] {
        let letters = letters(&Arc::new(copies), &ManualClock::new());
        let began = Instant::now();
        letters.push(letter("a")).await.unwrap();
        assert_eq!(began.elapsed(), takes);
        assert!(letters.get("a".to_owned()).await.unwrap().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_goes_on_without_its_caller() {
    let copies = Arc::new(Copies {
        takes: COPY_LIMIT / 2,
        ..Copies::default()
    });
    let letters = letters(&copies, &ManualClock::new());
    let caller = tokio::time::timeout(COPY_LIMIT / 4, letters.push(letter("a")));
    assert!(caller.await.is_err());
    tokio::time::sleep(COPY_LIMIT).await;
    assert_eq!(copies.copied.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_so_many_copies_are_under_way_at_the_same_time() {
    const LETTERS: usize = 100;
    let copies = Arc::new(Copies {
        takes: COPY_LIMIT / 10,
        ..Copies::default()
    });
    let letters = letters(&copies, &ManualClock::new());
    let pushed = (0..LETTERS).map(|number| letters.push(letter(&format!("letter-{number}"))));
    assert!(join_all(pushed).await.iter().all(Result::is_ok));
    assert_eq!(copies.copied.lock().unwrap().len(), LETTERS);
    assert_eq!(copies.most_at_once.load(Ordering::SeqCst), 32);
}
