//! Where the database updates its indexes late, as DynamoDB does: pages are late, and nothing is lost or doubled.

#![cfg(test)]

mod common;

use std::collections::BTreeSet;

use common::TWIN;
use twin_capabilities::{
    Stores,
    records::{Order, Outcome},
    testing::{
        ManualClock,
        samples::{PutAll as _, TELEMETRY, any_letter, entry, everything, letter},
    },
};
use twin_documents::{InMemory, Settings};

const LETTERS: usize = 40;

fn open(database: &InMemory, clock: &ManualClock) -> Stores {
    common::stores(&common::store(database, TWIN, clock, Settings::default()))
}

#[tokio::test]
async fn no_letter_is_held_by_two_and_none_is_forgotten() {
    let (database, clock) = (InMemory::late_by(7), ManualClock::new());
    let stores = open(&database, &clock);
    for number in 0..LETTERS {
        let push = stores
            .dead_letters
            .push(letter(&format!("letter-{number}")));
        push.await.unwrap();
    }
    let takers: Vec<_> = (0..4)
        .map(|_| {
            let stores = open(&database, &clock);
            tokio::spawn(async move {
                let mut held = Vec::new();
                // A letter that was stored or released last is not in the index yet. Other writes bring it there.
                for round in 0..LETTERS {
                    let taken = stores
                        .dead_letters
                        .take(any_letter(), None, 3, 60_000)
                        .await;
                    held.extend(taken.unwrap().leases);
                    let name = format!("circuit-{round}");
                    let _ = stores
                        .circuits
                        .compare_and_swap(name, 0, String::new())
                        .await;
                }
                held
            })
        })
        .collect();
    let mut held = Vec::new();
    for taker in takers {
        held.extend(taker.await.unwrap());
    }

    let ids: BTreeSet<_> = held.iter().map(|lease| &lease.letter.letter_id).collect();
    assert_eq!((held.len(), ids.len()), (LETTERS, LETTERS));
    for lease in &held {
        let id = lease.letter.letter_id.clone();
        let settled = stores.dead_letters.settle(id, lease.receipt.clone());
        assert_eq!(settled.await, Ok(true));
    }
}

#[tokio::test]
async fn a_record_is_stored_once_though_no_page_has_it_yet() {
    let (database, clock) = (InMemory::late_by(2), ManualClock::new());
    let stores = open(&database, &clock);
    let put = async |id: &str| {
        let put = stores
            .records
            .put_all(TELEMETRY.to_owned(), vec![entry(1, id, "body")]);
        put.await.unwrap()
    };
    let page = async || {
        let query = stores
            .records
            .query(TELEMETRY.to_owned(), everything(Order::OldestFirst));
        query.await.unwrap().entries.len()
    };
    let now = clock.now();
    assert_eq!(put("a").await, [Outcome::Stored(now)]);
    assert_eq!(page().await, 0, "the index is late");
    assert_eq!(put("a").await, [Outcome::Duplicate(now)]);
    put("b").await;
    put("c").await;
    assert_eq!(page().await, 1);
}
