//! The queue of dead letters: turns, rounds, selections and previews.

use std::collections::HashSet;

use super::{SECOND, give_back, holding, ids, release, settle, take, take_of, take_one};
use crate::{
    dead_letters::{Letter, Place, Selection, Summary},
    testing::{
        Fixture,
        samples::{any_letter, letter},
    },
};

/// A letter moves to the end of the queue when it is leased, whether it is released or its lease ends.
pub async fn letters_that_come_back_stand_behind_all_others(fixture: impl Fixture) {
    let stores = holding(&fixture, &["bad1", "bad2", "bad3", "good1", "good2"]).await;
    for expected in [
        ["bad1", "bad2", "bad3"],
        ["good1", "good2", "bad1"],
        ["bad2", "bad3", "good1"],
    ] {
        let leases = take(&fixture.open().await, 3).await;
        assert_eq!(ids(&leases), expected);
        give_back(&stores, &leases).await;
    }
    // A letter that is stored while others fail goes to the end of the queue.
    stores.dead_letters.push(letter("new")).await.unwrap();
    let all = take(&stores, 10).await;
    let expected = ["good2", "bad1", "bad2", "bad3", "good1", "new"];
    assert_eq!(ids(&all), expected);
    // Leases that run out, as after a kill, leave the order unchanged.
    fixture.turn(SECOND);
    assert_eq!(ids(&take(&stores, 10).await), expected);
}

/// A round leases each letter that was in the queue when it began, once, and then ends.
pub async fn a_round_has_each_letter_once(fixture: impl Fixture) {
    let stores = holding(&fixture, &["a", "b", "c", "d", "e"]).await;
    let mut seen = Vec::new();
    let mut round = None;
    loop {
        let taken = take_of(&stores, any_letter(), round, 2).await;
        give_back(&stores, &taken.leases).await;
        // A letter that is stored now belongs to the next round.
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
    // The rest of a round does not include letters that another replay has leased since.
    let begun = take_of(&stores, any_letter(), None, 1).await;
    give_back(&stores, &begun.leases).await;
    let other = take_of(&fixture.open().await, any_letter(), None, 1).await;
    give_back(&stores, &other.leases).await;
    let rest = take_of(&stores, any_letter(), Some(begun.round), 100).await;
    let all: HashSet<_> = ids(&rest.leases).into_iter().collect();
    assert!(!all.contains(ids(&begun.leases)[0]) && !all.contains(ids(&other.leases)[0]));
    fixture.turn(SECOND);

    // This also holds if the last letters of the queue are gone.
    let stores = fixture.open_twin("factory-02").await;
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

/// A letter that is released with its turn is again at its old place in the queue.
pub async fn a_letter_that_was_not_tried_has_its_turn_again(fixture: impl Fixture) {
    let stores = holding(&fixture, &["a", "b", "c"]).await;
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

/// Selections by peer and time apply to leases and previews alike.
pub async fn letters_are_taken_by_peer_and_by_time(fixture: impl Fixture) {
    let stores = fixture.open().await;
    for (letter_id, peer) in [("a", "writer"), ("b", "ingestion"), ("c", "writer")] {
        let peer = peer.to_owned();
        let push = stores.dead_letters.push(Letter {
            peer,
            ..letter(letter_id)
        });
        push.await.unwrap();
        fixture.turn(1);
    }
    let third = fixture.now() - 1;
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

/// A preview lists the letters that would be leased, in that order, and leases none of them.
pub async fn a_preview_shows_what_would_be_taken_and_takes_nothing(fixture: impl Fixture) {
    let stores = holding(&fixture, &["c", "a", "b", "e", "d"]).await;
    let stored_at = fixture.now();
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

/// Round and turn numbers that the store never assigned, however large, do not corrupt the queue.
pub async fn a_number_that_the_store_never_gave_spoils_no_queue(fixture: impl Fixture) {
    const LARGEST: u64 = i64::MAX.unsigned_abs();
    for (twin, number) in [
        ("t1", u64::MAX),
        ("t2", LARGEST),
        ("t3", LARGEST - 1),
        ("t4", LARGEST + 1),
    ] {
        let stores = fixture.open_twin(twin).await;
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
        // The rest of the round does not include it again.
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
