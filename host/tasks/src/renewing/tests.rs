//! Values of a scripted source, in virtual time.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::{self, Instant};

use super::*;

/// What the source does at a fetch.
#[derive(Clone, Copy)]
enum Step {
    /// Gives this value, which lasts for seconds.
    Give(&'static str, u64),
    Fail,
    Panic,
}

use Step::{Fail, Give, Panic};

/// Follows its steps; the last one again and again. A fetch takes a second.
struct Scripted {
    steps: Vec<Step>,
    fetches: Arc<AtomicUsize>,
    epoch: Instant,
}

const FETCH: Duration = Duration::from_secs(1);

fn wall(epoch: Instant) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) + epoch.elapsed()
}

impl Source for Scripted {
    type Value = &'static str;
    type Error = &'static str;

    async fn fetch(&self) -> Result<Lasting<&'static str>, &'static str> {
        let fetch = self.fetches.fetch_add(1, Ordering::SeqCst);
        time::sleep(FETCH).await;
        match self.steps[fetch.min(self.steps.len() - 1)] {
            Give(value, seconds) => Ok(Lasting {
                value,
                ends_at: Some(wall(self.epoch) + Duration::from_secs(seconds)),
            }),
            Fail => Err("away"),
            Panic => panic!("as the test wants"),
        }
    }
}

struct Setup {
    values: Renewing<Scripted>,
    fetches: Arc<AtomicUsize>,
}

impl Setup {
    fn of(steps: &[Step]) -> Self {
        let (fetches, epoch) = (Arc::new(AtomicUsize::new(0)), Instant::now());
        let source = Scripted {
            steps: steps.to_vec(),
            fetches: Arc::clone(&fetches),
            epoch,
        };
        let values = Renewing::with_clock(source, move || wall(epoch));
        Self { values, fetches }
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    async fn current(&self) -> Result<&'static str, &'static str> {
        self.values.current().await
    }
}

async fn pass(seconds: u64) {
    time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn callers_share_one_fetch_and_its_outcome() {
    let setup = Setup::of(&[Give("a", 3600)]);
    let (one, two) = tokio::join!(setup.current(), setup.current());
    assert_eq!((one, two, setup.fetches()), (Ok("a"), Ok("a"), 1));
    let setup = Setup::of(&[Fail]);
    let (one, two) = tokio::join!(setup.current(), setup.current());
    assert_eq!((one, two, setup.fetches()), (Err("away"), Err("away"), 1));
}

#[tokio::test(start_paused = true)]
async fn an_old_value_is_renewed_in_the_background() {
    let setup = Setup::of(&[Give("a", 3600), Give("b", 3600)]);
    assert_eq!(setup.current().await, Ok("a"));
    pass(3299).await;
    assert_eq!((setup.current().await, setup.fetches()), (Ok("a"), 1));
    pass(1).await;
    let before = Instant::now();
    assert_eq!(setup.current().await, Ok("a"));
    assert_eq!(before.elapsed(), Duration::ZERO, "nobody waits");
    pass(2).await;
    assert_eq!((setup.current().await, setup.fetches()), (Ok("b"), 2));
}

#[tokio::test(start_paused = true)]
async fn a_value_is_used_until_it_ends_if_it_cannot_be_renewed() {
    let setup = Setup::of(&[Give("a", 3600), Fail]);
    assert_eq!(setup.current().await, Ok("a"));
    pass(3400).await;
    for _ in 0..10 {
        assert_eq!(setup.current().await, Ok("a"));
        pass(2).await;
    }
    assert_eq!(setup.fetches(), 2, "one attempt in 30 s");
    pass(200).await;
    assert_eq!(setup.current().await, Err("away"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_repeated_for_a_second_and_then_the_source_is_asked_again() {
    let setup = Setup::of(&[Fail, Give("a", 3600)]);
    assert_eq!(setup.current().await, Err("away"));
    let before = Instant::now();
    assert_eq!(setup.current().await, Err("away"));
    assert_eq!((before.elapsed(), setup.fetches()), (Duration::ZERO, 1));
    pass(1).await;
    assert_eq!((setup.current().await, setup.fetches()), (Ok("a"), 2));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_continues_without_its_caller() {
    let setup = Setup::of(&[Give("a", 3600)]);
    let waited = time::timeout(FETCH / 2, setup.current()).await;
    assert!(waited.is_err());
    assert_eq!((setup.current().await, setup.fetches()), (Ok("a"), 1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_value_is_renewed_once() {
    let setup = Setup::of(&[Give("a", 3600), Give("b", 3600), Give("c", 3600)]);
    assert_eq!(setup.current().await, Ok("a"));
    pass(60).await;
    let (one, two) = tokio::join!(setup.values.refused(&"a"), setup.values.refused(&"a"));
    assert!(one && two);
    assert_eq!((setup.current().await, setup.fetches()), (Ok("b"), 2));
    // One who presented the old value hears of the new one; the new one was just renewed.
    assert!(setup.values.refused(&"a").await);
    assert!(!setup.values.refused(&"b").await);
    assert_eq!(setup.fetches(), 2);
    pass(30).await;
    assert!(setup.values.refused(&"b").await);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_gives_the_same_value_or_none_does_not_change_it() {
    let setup = Setup::of(&[Give("a", 3600), Give("a", 3600), Fail]);
    assert_eq!(setup.current().await, Ok("a"));
    pass(60).await;
    assert!(!setup.values.refused(&"a").await);
    assert!(!setup.values.refused(&"a").await);
    assert_eq!(setup.fetches(), 2);
    pass(60).await;
    assert!(!setup.values.refused(&"a").await);
    assert!(!setup.values.refused(&"a").await);
    assert_eq!((setup.current().await, setup.fetches()), (Ok("a"), 3));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_is_asked_again() {
    let setup = Setup::of(&[Panic, Give("a", 3600)]);
    assert_eq!((setup.current().await, setup.fetches()), (Ok("a"), 2));
    let setup = Setup::of(&[Give("a", 3600), Panic, Give("b", 3600)]);
    assert_eq!(setup.current().await, Ok("a"));
    pass(60).await;
    assert!(!setup.values.refused(&"a").await);
    assert!(setup.values.refused(&"a").await);
}
