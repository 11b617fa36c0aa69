//! Rounds over a queue in memory, and functions that settle as the test says.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use twin_capabilities::{Failure, Undelivered, UndeliveredQueue};

use super::{super::*, message};
use crate::ingress::events::{Event, Settle, Settlement, Topic};

/// A queue that gives each message again after a number of calls.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Vec<Undelivered>>,
    hidden: Mutex<Vec<Undelivered>>,
    released: Mutex<Vec<String>>,
    /// Whether what is hidden shows up at each call.
    forgets: bool,
    removing_fails: bool,
    /// The number of calls after which taking fails.
    fails_after: Option<usize>,
    calls: Mutex<usize>,
}

impl Queue {
    fn of(messages: impl IntoIterator<Item = Undelivered>) -> Self {
        Self {
            waiting: Mutex::new(messages.into_iter().collect()),
            ..Self::default()
        }
    }

    /// The ids of what is in it.
    fn left(&self) -> Vec<String> {
        let (waiting, hidden) = (self.waiting.lock().unwrap(), self.hidden.lock().unwrap());
        let all = waiting.iter().chain(hidden.iter());
        let mut ids: Vec<_> = all.map(|message| message.id.clone()).collect();
        ids.sort();
        ids
    }
}

#[async_trait]
impl UndeliveredQueue for Queue {
    async fn take(&self, limit: u32, hold: Duration) -> Result<Vec<Undelivered>, Failure> {
        assert_eq!(hold, Duration::from_secs(55));
        let mut calls = self.calls.lock().unwrap();
        *calls += 1;
        if self.fails_after.is_some_and(|after| *calls > after) {
            return Err(Failure::Unavailable("the queue is away".to_owned()));
        }
        let (mut waiting, mut hidden) = (self.waiting.lock().unwrap(), self.hidden.lock().unwrap());
        if self.forgets {
            let mut again = std::mem::take(&mut *hidden);
            again.iter_mut().for_each(|message| message.receipt += "+");
            waiting.extend(again);
        }
        let count = waiting.len().min(limit as usize);
        let taken: Vec<_> = waiting.drain(..count).collect();
        hidden.extend(taken.iter().cloned());
        Ok(taken)
    }

    async fn remove(&self, message: &Undelivered) -> Result<(), Failure> {
        if self.removing_fails {
            return Err(Failure::Unavailable("no connection".to_owned()));
        }
        let mut hidden = self.hidden.lock().unwrap();
        hidden.retain(|hidden| hidden.receipt != message.receipt);
        Ok(())
    }

    async fn release(&self, messages: &[Undelivered]) -> Result<(), Failure> {
        let receipts = messages.iter().map(|message| message.receipt.clone());
        self.released.lock().unwrap().extend(receipts);
        Ok(())
    }
}

/// Settles events by their bodies.
#[derive(Default)]
struct Functions(Mutex<BTreeMap<String, u32>>);

#[async_trait]
impl Settle for Functions {
    async fn settle(&self, event: Event, limit: Option<Duration>) -> Settlement {
        assert_eq!(limit, None);
        let body = String::from_utf8(event.body).unwrap();
        *self.0.lock().unwrap().entry(body.clone()).or_default() += 1;
        match body.as_str() {
            r#""fails""# => Settlement::Again("connector answered HTTP 503".to_owned()),
            r#""refused""# => Settlement::Kept,
            _ => Settlement::Acknowledged,
        }
    }
}

/// A blob with events that have these texts.
fn blob(id: &str, texts: &[&str]) -> Undelivered {
    let event = |(n, text): (usize, &&str)| serde_json::json!({"specversion": "1.0", "type": "t", "source": id, "id": n.to_string(), "data": text});
    let events: Vec<_> = texts.iter().enumerate().map(event).collect();
    message(id, &serde_json::to_string(&events).unwrap())
}

fn round(queue: &Queue) -> Round<'_> {
    Round {
        queue,
        form: Form::EventGrid(Topic::Telemetry),
        hold: Duration::from_secs(55),
        begins: BEGINS,
    }
}

/// A second after the messages came into the queue.
const BEGINS: i64 = 1_767_225_601_000_000;

#[tokio::test]
async fn a_message_is_removed_when_all_of_its_events_are_settled() {
    let queue = Queue::of([
        blob("a", &["x"]),
        blob("b", &["y", "fails", "z"]),
        blob("c", &["refused"]),
        message("d", "no JSON"),
        blob("e", &[]),
    ]);
    let functions = Functions::default();
    let report = round(&queue).hand_over(&functions).await;
    assert_eq!((report.handed_over, report.kept, report.stay), (3, 1, 3));
    assert!(report.ended_by.is_none());
    assert_eq!(queue.left(), ["b", "d", "e"]);
    let mut failures = report.failures;
    failures.sort_by(|one, other| one.message.cmp(&other.message));
    assert_eq!(failures.len(), 3);
    assert_eq!(failures[2].cause, "it holds no event");
    assert_eq!(failures[0].cause, "connector answered HTTP 503");
    assert!(failures[0].event.is_some() && failures[1].event.is_none());
    let mut released = queue.released.lock().unwrap().clone();
    released.sort();
    assert_eq!(released, ["receipt of b", "receipt of d", "receipt of e"]);
}

/// Puts another message into the queue for each event that it keeps, as a copy of a dead letter may be.
struct Copying(Arc<Queue>, Mutex<u32>);

#[async_trait]
impl Settle for Copying {
    async fn settle(&self, _: Event, _: Option<Duration>) -> Settlement {
        let mut copies = self.1.lock().unwrap();
        *copies += 1;
        let mut copy = blob(&format!("copy {copies}"), &["refused"]);
        copy.since = Some(BEGINS + i64::from(*copies));
        self.0.waiting.lock().unwrap().push(copy);
        Settlement::Kept
    }
}

#[tokio::test]
async fn what_comes_into_the_queue_later_has_no_turn_so_that_a_round_ends() {
    let queue = [blob("a", &["refused"]), blob("b", &["refused"])];
    let queue = Arc::new(Queue::of(queue));
    let report = round(&queue)
        .hand_over(&Copying(Arc::clone(&queue), Mutex::default()))
        .await;
    assert_eq!((report.handed_over, report.kept, report.stay), (0, 2, 2));
    assert_eq!(queue.left(), ["copy 1", "copy 2"]);
    assert!(report.failures[0].cause.contains("after this command"));
}

#[tokio::test]
async fn a_long_queue_is_read_to_its_end_and_each_message_has_one_turn() {
    let messages = (0..57).map(|n| match n % 10 {
        0 => blob(&format!("{n:02}"), &["fails"]),
        _ => blob(&format!("{n:02}"), &["x"]),
    });
    // What failed shows up again while the round goes on.
    for forgets in [false, true] {
        let queue = Queue {
            forgets,
            ..Queue::of(messages.clone())
        };
        let functions = Functions::default();
        let report = round(&queue).hand_over(&functions).await;
        assert_eq!((report.handed_over, report.kept, report.stay), (51, 0, 6));
        assert_eq!(functions.0.lock().unwrap()[r#""fails""#], 6);
        assert_eq!(queue.left().len(), 6);
        // With the receipts of the last time that they were taken.
        let released = queue.released.lock().unwrap();
        assert_eq!(released.len(), 6);
        assert!(
            released
                .iter()
                .all(|receipt| receipt.ends_with('+') == forgets)
        );
    }
}

#[tokio::test]
async fn what_cannot_be_removed_is_named_and_what_ends_a_round_too() {
    let queue = Queue {
        removing_fails: true,
        ..Queue::of([blob("a", &["x"])])
    };
    let report = round(&queue).hand_over(&Functions::default()).await;
    assert_eq!((report.handed_over, report.stay), (1, 1));
    let cause = &report.failures[0].cause;
    assert!(cause.contains("handed over, but not removed"), "{cause}");

    let queue = Queue {
        fails_after: Some(1),
        ..Queue::of((0..20).map(|n| blob(&n.to_string(), &["x"])))
    };
    let report = round(&queue).hand_over(&Functions::default()).await;
    assert_eq!((report.handed_over, report.stay), (10, 0));
    assert!(report.ended_by.is_some());
    assert_eq!(queue.left().len(), 10);
}

#[tokio::test]
async fn a_preview_lists_every_event_and_gives_all_messages_back() {
    let queue = Queue {
        forgets: true,
        ..Queue::of([blob("a", &["x", "y"]), message("b", "no JSON")])
    };
    let mut listed = Vec::new();
    let round = round(&queue);
    let shown = round.preview(|one| {
        listed.push(one);
        Ok::<_, Failure>(())
    });
    shown.await.unwrap();
    let of = |listed: &Listed| (listed.message.clone(), listed.event.is_ok());
    let found: Vec<_> = listed.iter().map(of).collect();
    let expected = [("a", true), ("a", true), ("b", false)];
    assert_eq!(
        found,
        expected.map(|(id, is_read)| (id.to_owned(), is_read))
    );
    assert_eq!(
        listed[0].since.as_deref(),
        Some("2026-01-01T00:00:00.000000Z")
    );
    assert_eq!(queue.left(), ["a", "b"]);
    assert_eq!(queue.released.lock().unwrap().len(), 2);
}
