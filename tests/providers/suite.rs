//! Tests of the suite itself: a provider that breaks a rule fails it, and one that cannot be tested here is skipped.

use std::{panic::AssertUnwindSafe, sync::Arc};

use async_trait::async_trait;
use futures_util::FutureExt;
use twin_capabilities::{
    Failure, Records, Statistics, Stores,
    health::Numbers,
    records::{Entry, Outcome, Page, Selection},
    testing::{self, Fixture, ManualClock, Skipped, hold, records, statistics},
};

use crate::fixtures::InMemory;

/// Memory that reports every record as stored, even if it was already there.
struct Boastful(InMemory);

struct BoastfulRecords(Arc<dyn Records>);

#[async_trait]
impl Records for BoastfulRecords {
    async fn put(&self, collection: String, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>> {
        let outcomes = self.0.put(collection, entries).await.into_iter();
        let boast = |outcome| match outcome {
            Outcome::Duplicate(at) => Outcome::Stored(at),
            outcome => outcome,
        };
        outcomes.map(|outcome| outcome.map(boast)).collect()
    }

    async fn query(&self, collection: String, selection: Selection) -> Result<Page, Failure> {
        self.0.query(collection, selection).await
    }
}

impl Fixture for Boastful {
    async fn set_up() -> Result<Self, Skipped> {
        InMemory::set_up().await.map(Self)
    }

    async fn open_twin(&self, twin: &str) -> Stores {
        let stores = self.0.open_twin(twin).await;
        let records = Arc::new(BoastfulRecords(stores.records));
        Stores { records, ..stores }
    }

    fn clock(&self) -> &ManualClock {
        self.0.clock()
    }
}

/// Memory whose error topic delivers by itself, as that of some clouds does.
struct WithoutOutbox(InMemory);

struct NumbersWithoutOutbox(Arc<dyn Statistics>);

#[async_trait]
impl Statistics for NumbersWithoutOutbox {
    async fn numbers(&self) -> Result<Numbers, Failure> {
        let numbers = self.0.numbers().await?;
        Ok(Numbers {
            outbox: None,
            ..numbers
        })
    }
}

impl Fixture for WithoutOutbox {
    async fn set_up() -> Result<Self, Skipped> {
        InMemory::set_up().await.map(Self)
    }

    async fn open_twin(&self, twin: &str) -> Stores {
        let stores = self.0.open_twin(twin).await;
        Stores {
            outbox: None,
            statistics: Arc::new(NumbersWithoutOutbox(stores.statistics)),
            ..stores
        }
    }

    fn clock(&self) -> &ManualClock {
        self.0.clock()
    }

    fn has_outbox(&self) -> bool {
        false
    }
}

/// A service that is never installed.
struct NotInstalled;

impl Fixture for NotInstalled {
    async fn set_up() -> Result<Self, Skipped> {
        Err(Skipped("the service is not installed".to_owned()))
    }

    async fn open_twin(&self, _: &str) -> Stores {
        unreachable!("it was not set up")
    }

    fn clock(&self) -> &ManualClock {
        unreachable!("it was not set up")
    }
}

#[tokio::test]
async fn a_provider_that_breaks_a_rule_fails_where_it_breaks_it() {
    let held = hold::<Boastful>(records::a_record_comes_back_as_it_was_put);
    assert_eq!(held.await, Ok(()));
    let broken = hold::<Boastful>(records::a_repetition_is_a_duplicate_since_the_first);
    assert!(AssertUnwindSafe(broken).catch_unwind().await.is_err());
}

#[tokio::test]
async fn a_provider_that_cannot_be_tested_here_is_skipped_with_the_reason() {
    let skipped = hold(async |_: NotInstalled| panic!("there is nothing to test")).await;
    let reason = "the service is not installed";
    assert_eq!(skipped.unwrap_err().to_string(), reason);
}

#[test]
fn a_provider_without_an_outbox_is_held_to_the_rest() {
    let counted = statistics::letters_events_and_circuits_are_counted;
    testing::run::<WithoutOutbox>("statistics", counted);
    testing::run_with_outbox::<WithoutOutbox>("outbox", async |_| panic!("there is no outbox"));
}
