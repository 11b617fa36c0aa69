//! Connector: replays can safely run twice, and on two hosts at the same time.

use std::time::Duration;

use twin_capabilities::dead_letters::Selection;
use twin_tests::{Stage, connector, error, received, seconds};

/// Two hosts on the same stores and peers, with letters `m0`, `m1`, …
async fn two(letters: usize) -> (Stage, Stage) {
    let first = connector().build().await;
    let second = connector().beside(&first).build().await;
    first.peers.answer("ingestion", |_, _| Ok(error(400)));
    first.send_many("m", letters).await;
    first.peers.forget();
    (first, second)
}

#[tokio::test(start_paused = true)]
async fn two_at_once_share_the_letters_and_send_each_once() {
    let (first, second) = two(300).await;
    first.peers.script("ingestion", |nth, _| {
        (
            Duration::from_millis(20 + nth as u64 % 7),
            Ok(received("x")),
        )
    });
    let (one, other) = futures_util::join!(first.replay(""), second.replay(""));
    let replayed = |report: &serde_json::Value| report["replayed"].as_u64().unwrap();
    assert!(replayed(&one) > 0 && replayed(&other) > 0, "{one} {other}");
    assert_eq!(replayed(&one) + replayed(&other), 300);
    let sent = first.sent_by_id();
    assert_eq!(sent.len(), 300, "none is lost");
    assert!(sent.values().all(|times| *times == 1), "{sent:?}");
    assert!(first.letters().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_commands_to_one_host_share_them_too() {
    let (host, _) = two(100).await;
    host.peers.script("ingestion", |_, _| {
        (Duration::from_millis(50), Ok(received("x")))
    });
    futures_util::join!(host.replay(""), host.replay(""), host.replay(""));
    let sent = host.sent_by_id();
    assert_eq!(sent.len(), 100);
    assert!(sent.values().all(|times| *times == 1), "{sent:?}");
    assert!(host.letters().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn where_some_fail_each_of_two_sends_a_letter_at_most_once() {
    let (first, second) = two(200).await;
    first.peers.script("ingestion", |_, arrival| {
        let id = arrival.header("idempotency-key").unwrap();
        let answer = if id.ends_with('7') {
            error(400)
        } else {
            received("x")
        };
        (Duration::from_millis(20), Ok(answer))
    });
    let (one, other) = futures_util::join!(first.replay(""), second.replay(""));
    let count = |name: &str| one[name].as_u64().unwrap() + other[name].as_u64().unwrap();
    assert_eq!(count("replayed"), 180);
    let letters = first.letters().await;
    assert_eq!(letters.len(), 20, "those that fail stay");
    assert!(letters.iter().all(|stored| stored.letter.id.ends_with('7')));
    for (id, times) in first.sent_by_id() {
        let most = if id.ends_with('7') { 2 } else { 1 };
        assert!((1..=most).contains(&times), "{id} {times} times");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_replay_held_is_free_when_its_lease_ends() {
    let (host, _) = two(5).await;
    let letters = host.stores.stores().dead_letters;
    let any = Selection {
        letter_id: None,
        peer: None,
        before: None,
    };
    let held = letters.take(any, None, 3, 30_000).await.unwrap();
    assert_eq!(held.leases.len(), 3);
    host.peers.answer("ingestion", |_, _| Ok(received("x")));
    assert_eq!(host.replay("").await["replayed"], 2);
    seconds(29).await;
    assert_eq!(host.replay("").await["replayed"], 0);
    seconds(1).await;
    assert_eq!(host.replay("").await["replayed"], 3);
    assert!(host.letters().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn new_letters_come_in_while_a_replay_runs_and_none_is_lost() {
    let (host, other) = two(100).await;
    host.peers.script("ingestion", |nth, _| {
        let answer = if nth % 3 == 0 {
            error(400)
        } else {
            received("x")
        };
        (Duration::from_millis(30), Ok(answer))
    });
    let coming = async {
        for n in 0..20 {
            other.send(&format!("new{n}")).await;
        }
    };
    futures_util::join!(host.replay(""), coming, other.replay(""));
    host.peers.answer("ingestion", |_, _| Ok(received("x")));
    seconds(60).await;
    host.replay("").await;
    assert!(host.letters().await.is_empty());
    assert_eq!(host.sent_by_id().len(), 120);
}
