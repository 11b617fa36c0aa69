//! The numbers for `/metrics`, which count only this twin.

use std::time::Duration;

use super::{
    Fixture,
    samples::{any_letter, letter, system_error},
};
use crate::{Stores, health::Numbers};

async fn numbers(stores: &Stores) -> Numbers {
    let mut numbers = stores.statistics.numbers().await.unwrap();
    numbers.circuits.sort();
    // Only a store on a disk has this number, and it depends on the disk.
    numbers.disk_free = None;
    numbers
}

fn nothing(fixture: &impl Fixture) -> Numbers {
    Numbers {
        dead_letters: Some(0),
        oldest_letter: Some(Duration::ZERO),
        outbox: fixture.has_outbox().then_some(0),
        circuits: Vec::new(),
        disk_free: None,
    }
}

async fn fill(stores: &Stores) {
    for name in ["peer/writer", "peer/ingestion"] {
        let state = r#"{"state":"open","until":1}"#.to_owned();
        let swap = stores.circuits.compare_and_swap(name.to_owned(), 0, state);
        swap.await.unwrap();
    }
    for code in ["A", "B", "C"] {
        let publish = stores.error_topic.publish(system_error(code));
        publish.await.unwrap();
    }
}

/// An empty store counts zero of everything.
pub async fn an_empty_store_has_nothing(fixture: impl Fixture) {
    assert_eq!(numbers(&fixture.open().await).await, nothing(&fixture));
}

/// Letters (including leased ones), events and circuits are counted, and the oldest letter has an age.
pub async fn letters_events_and_circuits_are_counted(fixture: impl Fixture) {
    let stores = fixture.open().await;
    fill(&stores).await;
    for id in ["a", "b"] {
        stores.dead_letters.push(letter(id)).await.unwrap();
        fixture.turn(3_000_000);
    }
    let open = r#"{"state":"open","until":1}"#;
    let all = Numbers {
        dead_letters: Some(2),
        oldest_letter: Some(Duration::from_secs(6)),
        outbox: fixture.has_outbox().then_some(3),
        circuits: ["peer/ingestion", "peer/writer"]
            .map(|name| (name.to_owned(), open.to_owned()))
            .into(),
        disk_free: None,
    };
    assert_eq!(numbers(&stores).await, all);
    // Leased letters are still counted; settled ones are not.
    let taken = stores.dead_letters.take(any_letter(), None, 1, 60_000);
    let lease = taken.await.unwrap().leases;
    assert_eq!(numbers(&stores).await, all);
    let (id, receipt) = (lease[0].letter.letter_id.clone(), lease[0].receipt.clone());
    assert!(stores.dead_letters.settle(id, receipt).await.unwrap());
    let fewer = Numbers {
        dead_letters: Some(1),
        oldest_letter: Some(Duration::from_secs(3)),
        ..all
    };
    assert_eq!(numbers(&stores).await, fewer);
    // Setting the clock back does not make anything older.
    fixture.turn(-60_000_000);
    assert_eq!(numbers(&stores).await.oldest_letter, Some(Duration::ZERO));
}

/// Only this twin's data is counted.
pub async fn what_is_another_twins_is_not_counted(fixture: impl Fixture) {
    fill(&fixture.open().await).await;
    let other = fixture.open_twin("factory-02").await;
    assert_eq!(numbers(&other).await, nothing(&fixture));
}
