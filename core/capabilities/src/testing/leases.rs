//! Dead letters: taking them out, one holder at a time.

use std::collections::HashSet;

use futures_util::future::join_all;
use twin_capabilities::{
    dead_letters::Letter,
    dead_letters::{Lease, Place, Selection, Summary, Taken},
};
use twin_host::providers::Stores;

use crate::{
    house::House,
    samples::{any_letter, letter, only},
};

every_provider!(
    the_oldest_free_letters_are_taken,
    one_letter_can_be_taken_by_name,
    a_lease_ends_by_the_stores_clock,
    a_lease_does_not_outlast_its_length_when_the_clock_is_set_back,
    a_receipt_is_good_until_the_letter_is_taken_anew,
    a_settled_letter_is_gone,
    a_released_letter_is_free,
    no_more_than_one_mebibyte_is_taken,
    of_many_who_take_each_letter_has_one_holder,
    letters_that_come_back_stand_behind_all_others,
    a_round_has_each_letter_once,
    a_letter_that_was_not_tried_has_its_turn_again,
    letters_are_taken_by_peer_and_by_time,
    a_preview_shows_what_would_be_taken_and_takes_nothing,
    a_number_that_the_store_never_gave_spoils_no_queue,
    what_is_whole_is_not_taken_as_damaged,
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

async fn a_lease_does_not_outlast_its_length_when_the_clock_is_set_back(house: House) {
    const DAY: i64 = 86_400 * SECOND;
    house.turn(DAY);
    let stores = holding(&house, &["a", "b"]).await;
    let slow = take(&stores, 2).await;
    house.turn(-DAY);

    assert_eq!(leased_until(&stores, "a").await, None);
    assert!(take_one(&house.open(), "a").await.is_some());
    assert!(!settle(&stores, &slow[0]).await);
    assert!(settle(&stores, &slow[1]).await, "its receipt stays good");
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
        letter: letter("a"),
        ..leases[1].clone()
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

async fn letters_that_come_back_stand_behind_all_others(house: House) {
    let stores = holding(&house, &["bad1", "bad2", "bad3", "good1", "good2"]).await;
    for expected in [
        ["bad1", "bad2", "bad3"],
        ["good1", "good2", "bad1"],
        ["bad2", "bad3", "good1"],
    ] {
        let leases = take(&house.open(), 3).await;
        assert_eq!(ids(&leases), expected);
        give_back(&stores, &leases).await;
    }
    // One that comes while others fail joins them at the end, and does not push in.
    stores.dead_letters.push(letter("new")).await.unwrap();
    let all = take(&stores, 10).await;
    let expected = ["good2", "bad1", "bad2", "bad3", "good1", "new"];
    assert_eq!(ids(&all), expected);
    // Nor does it help to be killed with a letter in hand.
    house.turn(SECOND);
    assert_eq!(ids(&take(&stores, 10).await), expected);
}

async fn a_round_has_each_letter_once(house: House) {
    let stores = holding(&house, &["a", "b", "c", "d", "e"]).await;
    let mut seen = Vec::new();
    let mut round = None;
    loop {
        let taken = take_of(&stores, any_letter(), round, 2).await;
        give_back(&stores, &taken.leases).await;
        // What is stored now belongs to the next round.
        let late = format!("late{}", seen.len());
        stores.dead_letters.push(letter(&late)).await.unwrap();
        assert_eq!(taken.more, seen.len() < 4, "after {seen:?}");
        if taken.leases.is_empty() {
            break;
        }
        seen.extend(ids(&taken.leases).iter().map(ToString::to_string));
        round = Some(taken.round);
    }
    assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    // Also one that another replay has had since.
    let begun = take_of(&stores, any_letter(), None, 1).await;
    give_back(&stores, &begun.leases).await;
    let other = take_of(&house.open(), any_letter(), None, 1).await;
    give_back(&stores, &other.leases).await;
    let rest = take_of(&stores, any_letter(), Some(begun.round), 100).await;
    let all: HashSet<_> = ids(&rest.leases).into_iter().collect();
    assert!(!all.contains(ids(&begun.leases)[0]) && !all.contains(ids(&other.leases)[0]));
    house.turn(SECOND);

    // Also when the letters that were last in it are gone.
    let stores = house.open_for("factory-02");
    for letter_id in ["a", "b", "c"] {
        stores.dead_letters.push(letter(letter_id)).await.unwrap();
    }
    let first = take_of(&stores, any_letter(), None, 1).await;
    let last = take_one(&stores, "c").await.unwrap();
    assert!(settle(&stores, &last).await);
    give_back(&stores, &first.leases).await;
    let rest = take_of(&stores, any_letter(), Some(first.round), 1).await;
    give_back(&stores, &rest.leases).await;
    assert_eq!(ids(&rest.leases), ["b"]);
    let rest = take_of(&stores, any_letter(), Some(first.round), 9).await;
    assert_eq!((ids(&rest.leases), rest.more), (vec![], false));
}

async fn a_letter_that_was_not_tried_has_its_turn_again(house: House) {
    let stores = holding(&house, &["a", "b", "c"]).await;
    let taken = take_of(&stores, any_letter(), None, 2).await;
    assert_eq!(ids(&taken.leases), ["a", "b"]);
    let [tried, untried] = &taken.leases[..] else {
        panic!("two were taken");
    };
    assert!(release(&stores, tried).await);
    let untried = stores.dead_letters.release(
        untried.letter.letter_id.clone(),
        untried.receipt.clone(),
        Some(untried.turn),
    );
    assert_eq!(untried.await, Ok(true));
    let rest = take_of(&stores, any_letter(), Some(taken.round), 10).await;
    assert_eq!(ids(&rest.leases), ["b", "c"]);
    give_back(&stores, &rest.leases).await;
    assert_eq!(ids(&take(&stores, 10).await), ["a", "b", "c"]);
}

async fn letters_are_taken_by_peer_and_by_time(house: House) {
    let stores = house.open();
    for (letter_id, peer) in [("a", "writer"), ("b", "ingestion"), ("c", "writer")] {
        let peer = peer.to_owned();
        let push = stores.dead_letters.push(Letter {
            peer,
            ..letter(letter_id)
        });
        push.await.unwrap();
        house.turn(1);
    }
    let third = house.now() - 1;
    for (letter_id, peer, before, expected) in [
        (None, Some("writer"), None, vec!["a", "c"]),
        (None, Some("reader"), None, vec![]),
        (None, None, Some(third), vec!["a", "b"]),
        (None, None, Some(third + 1), vec!["a", "b", "c"]),
        (None, Some("writer"), Some(third), vec!["a"]),
        (Some("c"), Some("writer"), None, vec!["c"]),
        (Some("c"), Some("writer"), Some(third), vec![]),
        (Some("c"), Some("ingestion"), None, vec![]),
    ] {
        let selection = Selection {
            letter_id: letter_id.map(str::to_owned),
            peer: peer.map(str::to_owned),
            before,
        };
        let shown = stores.dead_letters.preview(selection.clone(), None, 10);
        let mut shown: Vec<_> = shown.await.unwrap().letters;
        shown.sort_unstable_by(|one, other| one.letter_id.cmp(&other.letter_id));
        let shown: Vec<_> = shown.iter().map(|letter| &letter.letter_id).collect();
        assert_eq!(shown, expected, "{selection:?}");
        let taken = take_of(&stores, selection.clone(), None, 10).await.leases;
        let mut ids = ids(&taken);
        ids.sort_unstable();
        assert_eq!(ids, expected, "{selection:?}");
        give_back(&stores, &taken).await;
    }
}

async fn a_preview_shows_what_would_be_taken_and_takes_nothing(house: House) {
    let stores = holding(&house, &["c", "a", "b", "e", "d"]).await;
    let stored_at = house.now();
    give_back(&stores, &take(&stores, 2).await).await;
    take_one(&stores, "e").await.unwrap();
    let mut shown: Vec<Summary> = Vec::new();
    let mut after: Option<Place> = None;
    loop {
        let page = stores.dead_letters.preview(any_letter(), after, 3).await;
        let page = page.unwrap();
        assert!(page.letters.len() <= 3);
        shown.extend(page.letters);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let names: Vec<_> = shown.iter().map(|letter| &*letter.letter_id).collect();
    assert_eq!(names, ["b", "d", "c", "a"]);
    assert_eq!(
        shown[0],
        Summary {
            letter_id: "b".to_owned(),
            id: "message-of-b".to_owned(),
            peer: "writer".to_owned(),
            stored_at,
        }
    );
    assert_eq!(ids(&take(&stores, 10).await), names);
}

async fn a_number_that_the_store_never_gave_spoils_no_queue(house: House) {
    const LARGEST: u64 = i64::MAX.unsigned_abs();
    for (twin, number) in [
        ("t1", u64::MAX),
        ("t2", LARGEST),
        ("t3", LARGEST - 1),
        ("t4", LARGEST + 1),
    ] {
        let stores = house.open_for(twin);
        for letter_id in ["a", "b"] {
            stores.dead_letters.push(letter(letter_id)).await.unwrap();
        }
        let taken = take_of(&stores, any_letter(), Some(number), 1).await;
        assert_eq!(ids(&taken.leases), ["a"], "{number}");
        assert!(taken.round < number, "{number}: {}", taken.round);
        let given = stores.dead_letters.release(
            "a".to_owned(),
            taken.leases[0].receipt.clone(),
            Some(number),
        );
        assert_eq!(given.await, Ok(true));
        // The rest of the round does not have it again.
        let rest = take_of(&stores, any_letter(), Some(taken.round), 9).await;
        assert_eq!(ids(&rest.leases), ["b"], "{number}");
        give_back(&stores, &rest.leases).await;

        for letter_id in ["c", "d"] {
            let pushed = stores.dead_letters.push(letter(letter_id)).await;
            assert_eq!(pushed, Ok(()), "{number}");
        }
        let leases = take(&stores, 9).await;
        assert_eq!(ids(&leases), ["a", "b", "c", "d"], "{number}");
        assert!(leases.iter().all(|lease| lease.turn < 100), "{leases:?}");
    }
}

async fn what_is_whole_is_not_taken_as_damaged(house: House) {
    let stores = holding(&house, &["a"]).await;
    for letter_id in ["a", "none"] {
        let taken = stores.dead_letters.take_damaged(letter_id.to_owned(), 1000);
        assert_eq!(taken.await, Ok(None));
    }
    assert!(take_one(&stores, "a").await.is_some());
}
