//! Dead letters: storing and listing. Leasing and removing them is in [`leases`](super::leases).

use super::{
    Fixture,
    samples::{any_letter, letter, only},
};
use crate::{
    Failure, Stores,
    dead_letters::{Letter, Page, Place},
};

async fn push(stores: &Stores, letter: Letter) {
    stores.dead_letters.push(letter).await.unwrap();
}

async fn list(stores: &Stores, after: Option<&Place>, limit: u32) -> Page {
    let list = stores.dead_letters.list(after.cloned(), limit);
    list.await.unwrap()
}

fn ids(page: &Page) -> Vec<&str> {
    let letters = page.letters.iter();
    letters
        .map(|stored| stored.letter.letter_id.as_str())
        .collect()
}

/// Every field of a letter is returned unchanged in another process, with the time at which the letter was stored.
pub async fn a_letter_comes_back_as_it_was_pushed(fixture: impl Fixture) {
    let bare = Letter {
        trace_id: None,
        envelope: Vec::new(),
        attempts: Vec::new(),
        ..letter("bare")
    };
    for pushed in [letter("full"), bare] {
        push(&fixture.open().await, pushed.clone()).await;
        let get = fixture
            .open()
            .await
            .dead_letters
            .get(pushed.letter_id.clone())
            .await;
        let stored = get.unwrap().unwrap();
        assert_eq!(stored.letter, pushed);
        assert_eq!(stored.stored_at, fixture.now());
        assert_eq!(stored.leased_until, None);
    }
    let none = fixture
        .open()
        .await
        .dead_letters
        .get("none".to_owned())
        .await;
    assert_eq!(none, Ok(None));
}

/// Storing a letter again changes neither its content, its place, its time nor its lease.
pub async fn a_letter_that_is_there_is_left_as_it_is(fixture: impl Fixture) {
    let stores = fixture.open().await;
    let pushed_at = fixture.now();
    push(&stores, letter("a")).await;
    push(&stores, letter("b")).await;
    let leases = stores
        .dead_letters
        .take(only("a"), None, 1, 1000)
        .await
        .unwrap()
        .leases;
    fixture.turn(1);

    push(
        &stores,
        Letter {
            peer: "ingestion".to_owned(),
            ..letter("a")
        },
    )
    .await;

    let page = list(&stores, None, 10).await;
    assert_eq!(ids(&page), ["a", "b"]);
    assert_eq!(page.letters[0].letter, letter("a"));
    assert_eq!(page.letters[0].stored_at, pushed_at);
    assert_eq!(page.letters[0].leased_until, Some(pushed_at + 1_000_000));
    let settled = stores
        .dead_letters
        .settle("a".to_owned(), leases[0].receipt.clone());
    assert_eq!(settled.await, Ok(true));
}

/// Lists are in the order in which letters were stored, page by page; a page has at least one letter.
pub async fn letters_are_listed_in_the_order_they_came(fixture: impl Fixture) {
    let stores = fixture.open().await;
    for letter_id in ["d", "a", "e", "c", "b"] {
        push(&stores, letter(letter_id)).await;
    }
    let first = list(&stores, None, 2).await;
    assert_eq!(ids(&first), ["d", "a"]);
    let second = list(&fixture.open().await, first.next.as_ref(), 2).await;
    assert_eq!(ids(&second), ["e", "c"]);
    let last = list(&stores, second.next.as_ref(), 2).await;
    assert_eq!((ids(&last), &last.next), (vec!["b"], &None));

    let whole = list(&stores, None, 5).await;
    assert_eq!((whole.letters.len(), whole.next), (5, None));
    // A page without letters would never end.
    let least = list(&stores, None, 0).await;
    assert_eq!(ids(&least), ["d"]);
    assert!(least.next.is_some());
}

/// A cursor still works when the letter that it names has been removed.
pub async fn a_cursor_outlives_its_letter(fixture: impl Fixture) {
    let stores = fixture.open().await;
    for letter_id in ["a", "b", "c"] {
        push(&stores, letter(letter_id)).await;
    }
    let page = list(&stores, None, 2).await;
    let taken = stores.dead_letters.take(any_letter(), None, 3, 1000).await;
    for lease in taken.unwrap().leases {
        let settle = stores
            .dead_letters
            .settle(lease.letter.letter_id, lease.receipt);
        assert_eq!(settle.await, Ok(true));
    }
    push(&stores, letter("d")).await;

    assert_eq!(ids(&list(&stores, page.next.as_ref(), 2).await), ["d"]);
}

/// A cursor that was never issued is not an error.
pub async fn any_place_can_be_read_from(fixture: impl Fixture) {
    let stores = fixture.open().await;
    for letter_id in ["a", "b"] {
        push(&stores, letter(letter_id)).await;
    }
    let place = |number, letter_id: &str| Place {
        number,
        letter_id: letter_id.to_owned(),
    };
    let all = list(&stores, Some(&place(0, "none")), 9).await;
    assert_eq!(ids(&all), ["a", "b"]);
    for nowhere in [place(u64::MAX, "none"), place(u64::MAX - 1, "")] {
        let page = list(&stores, Some(&nowhere), 9).await;
        assert_eq!((ids(&page), &page.next), (vec![], &None));
    }
}

/// A page has at most 1 MiB of envelopes, but at least one letter. A store that does not accept one so large says so.
pub async fn a_list_ends_at_one_mebibyte(fixture: impl Fixture) {
    const QUARTER: usize = 1 << 18;
    let stores = fixture.open().await;
    let sized = |letter_id, size| Letter {
        envelope: vec![b'x'; size],
        ..letter(letter_id)
    };
    for letter_id in ["a", "b", "c", "d"] {
        push(&stores, sized(letter_id, QUARTER)).await;
    }
    push(&stores, sized("e", 1)).await;
    let first = list(&stores, None, 10).await;
    assert_eq!(ids(&first), ["a", "b", "c", "d"]);
    let large = sized("f", 2 << 20);
    if fixture.largest_body() < large.envelope.len() {
        let pushed = stores.dead_letters.push(large).await;
        assert_eq!(pushed, Err(Failure::TooLarge));
        let last = list(&stores, first.next.as_ref(), 10).await;
        assert_eq!((ids(&last), &last.next), (vec!["e"], &None));
        return;
    }
    push(&stores, large).await;
    let second = list(&stores, first.next.as_ref(), 10).await;
    assert_eq!(ids(&second), ["e"]);
    let last = list(&stores, second.next.as_ref(), 10).await;
    assert_eq!((ids(&last), &last.next), (vec!["f"], &None));
}

/// Letters of other twins are neither listed, returned nor leased.
pub async fn letters_belong_to_a_twin(fixture: impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open_twin("factory-02").await);
    push(&stores, letter("a")).await;
    assert!(list(&other, None, 10).await.letters.is_empty());
    assert_eq!(other.dead_letters.get("a".to_owned()).await, Ok(None));
    let taken = other.dead_letters.take(any_letter(), None, 10, 1000).await;
    assert_eq!(taken.unwrap().leases.len(), 0);
    push(&other, letter("a")).await;
    assert_eq!(list(&stores, None, 10).await.letters.len(), 1);
}
