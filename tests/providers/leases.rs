//! Dead letters: taking them out, one holder at a time.

use std::collections::HashSet;

use futures_util::future::join_all;
use twin_host::{
    bindings::{dead_letter_replay::Lease, dead_letters::Letter},
    providers::Stores,
};

use crate::{house::House, samples::letter};

every_provider!(
    the_oldest_free_letters_are_taken,
    one_letter_can_be_taken_by_name,
    a_lease_ends_by_the_stores_clock,
    a_receipt_is_good_until_the_letter_is_taken_anew,
    a_settled_letter_is_gone,
    a_released_letter_is_free,
    no_more_than_one_mebibyte_is_taken,
    of_many_who_take_each_letter_has_one_holder,
);

const SECOND: i64 = 1_000_000;

async fn holding(house: &House, letter_ids: &[&str]) -> Stores {
    let stores = house.open();
    for letter_id in letter_ids {
        stores.dead_letters.push(letter(letter_id)).await.unwrap();
    }
    stores
}

async fn take(stores: &Stores, limit: u32) -> Vec<Lease> {
    stores.dead_letters.take(None, limit, 1000).await.unwrap()
}

async fn take_one(stores: &Stores, letter_id: &str) -> Option<Lease> {
    let take = stores
        .dead_letters
        .take(Some(letter_id.to_owned()), 1, 1000);
    let mut leases = take.await.unwrap();
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
        .release(letter_id, lease.receipt.clone());
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

async fn the_oldest_free_letters_are_taken(house: House) {
    let stores = holding(&house, &["c", "a", "d", "b"]).await;
    assert!(take(&stores, 0).await.is_empty());
    let first = take(&stores, 2).await;
    assert_eq!(ids(&first), ["c", "a"]);
    assert_eq!(first[0].letter, letter("c"));
    // Those that are held stay listed.
    let list = stores.dead_letters.list(None, 10).await.unwrap();
    assert_eq!(list.letters.len(), 4);
    assert_eq!(ids(&take(&house.open(), 10).await), ["d", "b"]);
    assert!(take(&stores, 10).await.is_empty());
}

async fn one_letter_can_be_taken_by_name(house: House) {
    let stores = holding(&house, &["a", "b"]).await;
    assert!(take_one(&stores, "none").await.is_none());
    assert_eq!(take_one(&stores, "b").await.unwrap().letter, letter("b"));
    assert!(take_one(&stores, "b").await.is_none());
    assert_eq!(ids(&take(&stores, 10).await), ["a"]);
}

async fn a_lease_ends_by_the_stores_clock(house: House) {
    let stores = holding(&house, &["a"]).await;
    let until = house.now() + SECOND;
    take_one(&stores, "a").await.unwrap();
    assert_eq!(leased_until(&stores, "a").await, Some(until));

    house.turn(SECOND - 1);
    assert!(take_one(&house.open(), "a").await.is_none());
    assert_eq!(leased_until(&stores, "a").await, Some(until));

    house.turn(1);
    assert_eq!(leased_until(&stores, "a").await, None);
    assert!(take_one(&house.open(), "a").await.is_some());
}

async fn a_receipt_is_good_until_the_letter_is_taken_anew(house: House) {
    let stores = holding(&house, &["a", "b"]).await;
    let slow = take(&stores, 2).await;
    house.turn(SECOND);
    let next = take_one(&stores, "a").await.unwrap();

    assert_ne!(slow[0].receipt, next.receipt);
    assert!(!release(&stores, &slow[0]).await);
    assert!(!settle(&stores, &slow[0]).await);
    assert!(settle(&stores, &next).await);
    // Nobody else took this one: it was delivered, late as it is.
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

async fn a_settled_letter_is_gone(house: House) {
    let stores = holding(&house, &["a", "b"]).await;
    let leases = take(&stores, 2).await;
    let swapped = Lease {
        receipt: leases[1].receipt.clone(),
        letter: letter("a"),
    };
    assert!(!settle(&stores, &swapped).await);
    assert!(settle(&house.open(), &leases[0]).await);
    assert!(!settle(&stores, &leases[0]).await);
    assert!(!release(&stores, &leases[0]).await);
    assert_eq!(stores.dead_letters.get("a".to_owned()).await, Ok(None));
    assert!(leased_until(&stores, "b").await.is_some());

    // The same message may fail again.
    stores.dead_letters.push(letter("a")).await.unwrap();
    assert!(!settle(&stores, &leases[0]).await);
    assert!(take_one(&stores, "a").await.is_some());
}

async fn a_released_letter_is_free(house: House) {
    let stores = holding(&house, &["a"]).await;
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

async fn no_more_than_one_mebibyte_is_taken(house: House) {
    let stores = house.open();
    for (letter_id, size) in [("a", 1 << 20), ("b", 1), ("c", 2 << 20)] {
        let envelope = vec![b'x'; size];
        let push = stores.dead_letters.push(Letter {
            envelope,
            ..letter(letter_id)
        });
        push.await.unwrap();
    }
    for expected in ["a", "b", "c"] {
        assert_eq!(ids(&take(&stores, 10).await), [expected]);
    }
}

async fn of_many_who_take_each_letter_has_one_holder(house: House) {
    const LETTERS: usize = 100;
    let houses = [house.open(), house.open()];
    for number in 0..LETTERS {
        let push = houses[0].dead_letters.push(letter(&number.to_string()));
        push.await.unwrap();
    }
    let takers = (0..8).map(|taker| {
        let stores = houses[taker % 2].clone();
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
