//! Leases of dead letters: one holder at a time.

mod queue;

use std::collections::HashSet;

use futures_util::future::join_all;

pub use queue::{
    a_letter_that_was_not_tried_has_its_turn_again,
    a_number_that_the_store_never_gave_spoils_no_queue,
    a_preview_shows_what_would_be_taken_and_takes_nothing, a_round_has_each_letter_once,
    letters_are_taken_by_peer_and_by_time, letters_that_come_back_stand_behind_all_others,
};

use super::{
    Fixture,
    samples::{any_letter, letter, only},
};
use crate::{
    Stores,
    dead_letters::{Lease, Letter, Selection, Taken},
};

const SECOND: i64 = 1_000_000;

async fn holding(fixture: &impl Fixture, letter_ids: &[&str]) -> Stores {
    let stores = fixture.open().await;
    for letter_id in letter_ids {
        stores.dead_letters.push(letter(letter_id)).await.unwrap();
    }
    stores
}

async fn take(stores: &Stores, limit: u32) -> Vec<Lease> {
    let taken = stores.dead_letters.take(any_letter(), None, limit, 1000);
    taken.await.unwrap().leases
}

async fn take_of(stores: &Stores, selection: Selection, round: Option<u64>, limit: u32) -> Taken {
    let taken = stores.dead_letters.take(selection, round, limit, 1000);
    taken.await.unwrap()
}

async fn give_back(stores: &Stores, leases: &[Lease]) {
    for lease in leases {
        assert!(release(stores, lease).await);
    }
}

async fn take_one(stores: &Stores, letter_id: &str) -> Option<Lease> {
    let mut leases = take_of(stores, only(letter_id), None, 1).await.leases;
    assert!(leases.len() < 2);
    leases.pop()
}

async fn settle(stores: &Stores, lease: &Lease) -> bool {
    let letter_id = lease.letter.letter_id.clone();
    let settle = stores.dead_letters.settle(letter_id, lease.receipt.clone());
    settle.await.unwrap()
}

async fn release(stores: &Stores, lease: &Lease) -> bool {
    let letter_id = lease.letter.letter_id.clone();
    let release = stores
        .dead_letters
        .release(letter_id, lease.receipt.clone(), None);
    release.await.unwrap()
}

async fn leased_until(stores: &Stores, letter_id: &str) -> Option<i64> {
    let get = stores.dead_letters.get(letter_id.to_owned());
    get.await.unwrap().unwrap().leased_until
}

fn ids(leases: &[Lease]) -> Vec<&str> {
    leases
        .iter()
        .map(|lease| lease.letter.letter_id.as_str())
        .collect()
}

/// Letters are leased in the order of the queue; those that are already leased are skipped, but still listed.
pub async fn the_oldest_free_letters_are_taken(fixture: impl Fixture) {
    let stores = holding(&fixture, &["c", "a", "d", "b"]).await;
    assert!(take(&stores, 0).await.is_empty());
    let first = take(&stores, 2).await;
    assert_eq!(ids(&first), ["c", "a"]);
    assert_eq!(first[0].letter, letter("c"));
    // Leased letters are still listed.
    let list = stores.dead_letters.list(None, 10).await.unwrap();
    assert_eq!(list.letters.len(), 4);
    assert_eq!(ids(&take(&fixture.open().await, 10).await), ["d", "b"]);
    assert!(take(&stores, 10).await.is_empty());
}

/// A selection by letter id leases that letter and no other.
pub async fn one_letter_can_be_taken_by_name(fixture: impl Fixture) {
    let stores = holding(&fixture, &["a", "b"]).await;
    assert!(take_one(&stores, "none").await.is_none());
    assert_eq!(take_one(&stores, "b").await.unwrap().letter, letter("b"));
    assert!(take_one(&stores, "b").await.is_none());
    assert_eq!(ids(&take(&stores, 10).await), ["a"]);
}

/// A lease ends exactly at its time, by the store's clock, for every process.
pub async fn a_lease_ends_by_the_stores_clock(fixture: impl Fixture) {
    let stores = holding(&fixture, &["a"]).await;
    let until = fixture.now() + SECOND;
    take_one(&stores, "a").await.unwrap();
    assert_eq!(leased_until(&stores, "a").await, Some(until));

    fixture.turn(SECOND - 1);
    assert!(take_one(&fixture.open().await, "a").await.is_none());
    assert_eq!(leased_until(&stores, "a").await, Some(until));

    fixture.turn(1);
    assert_eq!(leased_until(&stores, "a").await, None);
    assert!(take_one(&fixture.open().await, "a").await.is_some());
}

/// A lease that was taken while the clock was ahead ends when the clock is set back; its receipt stays valid.
pub async fn a_lease_does_not_outlast_its_length_when_the_clock_is_set_back(fixture: impl Fixture) {
    const DAY: i64 = 86_400 * SECOND;
    fixture.turn(DAY);
    let stores = holding(&fixture, &["a", "b"]).await;
    let slow = take(&stores, 2).await;
    fixture.turn(-DAY);

    assert_eq!(leased_until(&stores, "a").await, None);
    assert!(take_one(&fixture.open().await, "a").await.is_some());
    assert!(!settle(&stores, &slow[0]).await);
    assert!(settle(&stores, &slow[1]).await, "its receipt stays good");
}

/// A receipt stays valid after its lease has ended, until the letter is leased again.
pub async fn a_receipt_is_good_until_the_letter_is_taken_anew(fixture: impl Fixture) {
    let stores = holding(&fixture, &["a", "b"]).await;
    let slow = take(&stores, 2).await;
    fixture.turn(SECOND);
    let next = take_one(&stores, "a").await.unwrap();

    assert_ne!(slow[0].receipt, next.receipt);
    assert!(!release(&stores, &slow[0]).await);
    assert!(!settle(&stores, &slow[0]).await);
    assert!(settle(&stores, &next).await);
    // No other replay took this letter, so it is removed although the lease had ended.
    assert!(settle(&stores, &slow[1]).await);
    assert!(
        stores
            .dead_letters
            .list(None, 10)
            .await
            .unwrap()
            .letters
            .is_empty()
    );
}

/// A letter is removed only with its own receipt; its message may become a letter again.
pub async fn a_settled_letter_is_gone(fixture: impl Fixture) {
    let stores = holding(&fixture, &["a", "b"]).await;
    let leases = take(&stores, 2).await;
    let swapped = Lease {
        letter: letter("a"),
        ..leases[1].clone()
    };
    assert!(!settle(&stores, &swapped).await);
    assert!(settle(&fixture.open().await, &leases[0]).await);
    assert!(!settle(&stores, &leases[0]).await);
    assert!(!release(&stores, &leases[0]).await);
    assert_eq!(stores.dead_letters.get("a".to_owned()).await, Ok(None));
    assert!(leased_until(&stores, "b").await.is_some());

    // The same message may fail again.
    stores.dead_letters.push(letter("a")).await.unwrap();
    assert!(!settle(&stores, &leases[0]).await);
    assert!(take_one(&stores, "a").await.is_some());
}

/// A letter is released only with its own receipt, once, and can then be leased at once.
pub async fn a_released_letter_is_free(fixture: impl Fixture) {
    let stores = holding(&fixture, &["a"]).await;
    let lease = take_one(&stores, "a").await.unwrap();
    let forged = Lease {
        receipt: String::new(),
        ..lease.clone()
    };
    assert!(!release(&stores, &forged).await);
    assert!(release(&stores, &lease).await);
    assert_eq!(leased_until(&stores, "a").await, None);
    assert!(!release(&stores, &lease).await);
    assert!(!settle(&stores, &lease).await);
    assert!(take_one(&stores, "a").await.is_some());
}

/// At most 1 MiB of envelopes is leased at once, but at least one letter.
pub async fn no_more_than_one_mebibyte_is_taken(fixture: impl Fixture) {
    const QUARTER: usize = 1 << 18;
    let stores = fixture.open().await;
    let mut sizes = vec![("a", QUARTER), ("b", QUARTER), ("c", QUARTER)];
    sizes.extend([("d", QUARTER), ("e", 1)]);
    let large = 2 << 20;
    if large <= fixture.largest_body() {
        sizes.push(("f", large));
    }
    for (letter_id, size) in &sizes {
        let envelope = vec![b'x'; *size];
        let push = stores.dead_letters.push(Letter {
            envelope,
            ..letter(letter_id)
        });
        push.await.unwrap();
    }
    assert_eq!(ids(&take(&stores, 10).await), ["a", "b", "c", "d"]);
    for (expected, _) in &sizes[4..] {
        assert_eq!(ids(&take(&stores, 10).await), [*expected]);
    }
}

/// Concurrent replays never hold the same letter, and no receipt is issued twice.
pub async fn of_many_who_take_each_letter_has_one_holder(fixture: impl Fixture) {
    const LETTERS: usize = 100;
    let opened = [fixture.open().await, fixture.open().await];
    for number in 0..LETTERS {
        let push = opened[0].dead_letters.push(letter(&number.to_string()));
        push.await.unwrap();
    }
    let takers = (0..8).map(|taker| {
        let stores = opened[taker % 2].clone();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            loop {
                let leases = take(&stores, 3).await;
                if leases.is_empty() {
                    return taken;
                }
                taken.extend(leases);
            }
        })
    });

    let taken = join_all(takers).await.into_iter().flat_map(Result::unwrap);
    let taken: Vec<_> = taken.collect();

    assert_eq!(taken.len(), LETTERS);
    assert_eq!(ids(&taken).iter().collect::<HashSet<_>>().len(), LETTERS);
    let receipts: HashSet<_> = taken.iter().map(|lease| &lease.receipt).collect();
    assert_eq!(receipts.len(), LETTERS);
}

/// An intact letter, or an unknown one, is not leased as damaged.
pub async fn what_is_whole_is_not_taken_as_damaged(fixture: impl Fixture) {
    let stores = holding(&fixture, &["a"]).await;
    for letter_id in ["a", "none"] {
        let taken = stores.dead_letters.take_damaged(letter_id.to_owned(), 1000);
        assert_eq!(taken.await, Ok(None));
    }
    assert!(take_one(&stores, "a").await.is_some());
}
