//! Stores with a time limit: whichever provider is behind them, a call fails rather than waiting for a disk or a service
//! that does not answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::timeout;

use twin_capabilities::{
    Circuits, DeadLetters, ErrorTopic, Records, Stores,
    circuits::{Circuit, SwapFailure},
    dead_letters::{self, Lease, Letter, Place, PreviewPage, StoredLetter, Taken},
    error_topic::{PUBLISH_LIMIT, SystemError},
    records::{self, Entry, Outcome, Selection},
    types::Failure,
};

use super::misconfigured::{Misconfigured, OfStore};
use crate::telemetry::trace::{self, SpanKind};

/// The upper limit for a call, however long the function's deadline is.
const LONGEST: Duration = Duration::from_secs(5);

/// The same stores for a function with this deadline: each call takes at most a quarter of it, and at most 5 s.
///
/// While a call is overdue, other calls of its kind (reading or writing) fail at once: they would wait for the same cause,
/// and a function that makes several calls would not answer in time.
#[must_use]
pub fn within(stores: Stores, deadline: Duration) -> Stores {
    Patience::new(deadline).with(stores, None)
}

/// How long the calls of a host's functions wait for the stores, and which of them still wait.
pub(crate) struct Patience {
    reading: Gate,
    writing: Gate,
}

impl Patience {
    /// For functions with this deadline.
    pub(crate) fn new(deadline: Duration) -> Self {
        let limit = LONGEST.min(deadline / 4);
        Self {
            reading: Gate::new(limit),
            writing: Gate::new(limit),
        }
    }

    /// Names the database in the spans of its calls, by OpenTelemetry's `db.system.name`.
    pub(crate) fn of_database(mut self, database: &'static str) -> Self {
        self.reading.database = Some(database);
        self.writing.database = Some(database);
        self
    }

    /// Stores that answer in time, for one function. What an operator must mend is reported.
    pub(crate) fn with(&self, stores: Stores, misconfigured: Option<Arc<Misconfigured>>) -> Stores {
        let gate = |gate: &Gate| Gate {
            misconfigured: misconfigured.clone(),
            ..gate.clone()
        };
        let timely = Arc::new(Timely {
            publishing: Gate {
                limit: self.writing.limit.min(PUBLISH_LIMIT),
                ..self.writing.clone()
            },
            reading: gate(&self.reading),
            writing: gate(&self.writing),
            stores: stores.clone(),
        });
        Stores {
            records: timely.clone(),
            dead_letters: timely.clone(),
            error_topic: timely.clone(),
            circuits: timely,
            ..stores
        }
    }
}

struct Timely {
    stores: Stores,
    reading: Gate,
    writing: Gate,
    publishing: Gate,
}

/// Limits the calls of one kind.
#[derive(Clone)]
struct Gate {
    limit: Duration,
    overdue: Overdue,
    misconfigured: Option<Arc<Misconfigured>>,
    database: Option<&'static str>,
}

/// The number of calls that were not answered in time and are still unanswered.
#[derive(Clone, Default)]
struct Overdue(Arc<AtomicUsize>);

/// One overdue call, counted until it is dropped.
struct Late(Overdue);

impl Overdue {
    fn one_more(&self) -> Late {
        self.0.fetch_add(1, Ordering::SeqCst);
        Late(self.clone())
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gate {
    fn new(limit: Duration) -> Self {
        Self {
            limit,
            overdue: Overdue::default(),
            misconfigured: None,
            database: None,
        }
    }

    async fn pass<T: Send + 'static>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        self.pass_or(operation, call, |failure| failure).await
    }

    /// Reports a failure that an operator must mend.
    fn look(&self, failure: Option<&Failure>) {
        if let (Some(misconfigured), Some(failure)) = (&self.misconfigured, failure) {
            misconfigured.look(failure);
        }
    }

    async fn pass_or<T: Send + 'static, E: OfStore + Send + 'static>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, E>> + Send + 'static,
        failed: impl FnOnce(Failure) -> E,
    ) -> Result<T, E> {
        let failure = |outcome: &Result<T, E>| {
            let failure = outcome.as_ref().err().and_then(OfStore::of_store);
            failure.map(kind)
        };
        self.traced(operation, self.in_time(call, failed), failure)
            .await
    }

    /// A call as a span of the trace that the task works for; `failure` finds the value of `error.type` in its outcome.
    async fn traced<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = T>,
        failure: impl FnOnce(&T) -> Option<&'static str>,
    ) -> T {
        let span = trace::current()
            .and_then(|within| within.child(SpanKind::Client, || operation.to_owned()));
        let outcome = call.await;
        if let Some(mut span) = span {
            span.set("db.operation.name", operation);
            if let Some(database) = self.database {
                span.set("db.system.name", database);
            }
            if let Some(kind) = failure(&outcome) {
                span.fail(kind);
            }
        }
        outcome
    }

    async fn in_time<T: Send + 'static, E: OfStore + Send + 'static>(
        &self,
        call: impl Future<Output = Result<T, E>> + Send + 'static,
        failed: impl FnOnce(Failure) -> E,
    ) -> Result<T, E> {
        let no_answer = || Failure::Unavailable("the store did not answer in time".to_owned());
        if self.overdue.0.load(Ordering::SeqCst) > 0 {
            return Err(failed(no_answer()));
        }
        let mut call = Box::pin(call);
        if let Ok(answer) = timeout(self.limit, call.as_mut()).await {
            self.look(answer.as_ref().err().and_then(OfStore::of_store));
            return answer;
        }
        // When the call ends, the store answers again.
        let late = self.overdue.one_more();
        tokio::spawn(async move {
            // The caller has already got a failure, which leaves open whether the call took effect.
            let _ = call.await;
            drop(late);
        });
        Err(failed(no_answer()))
    }
}

/// A failure as a value of `error.type`.
const fn kind(failure: &Failure) -> &'static str {
    match failure {
        Failure::Unavailable(_) => "unavailable",
        Failure::Throttled(_) => "throttled",
        Failure::Full => "full",
        Failure::TooLarge => "too_large",
        Failure::Misconfigured(_) => "misconfigured",
        Failure::Other(_) => "_OTHER",
    }
}

#[async_trait]
impl Records for Timely {
    async fn put(&self, collection: String, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>> {
        let store = Arc::clone(&self.stores.records);
        let count = entries.len();
        let call = async move { Ok(store.put(collection, entries).await) };
        let stored = async {
            let stored = self.writing.in_time(call, |failure| failure).await;
            stored.unwrap_or_else(|failure| vec![Err(failure); count])
        };
        let failure = |outcomes: &Vec<Result<Outcome, Failure>>| {
            let failures = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
            failures.map(kind).next()
        };
        let outcomes = self.writing.traced("records.put", stored, failure).await;
        for outcome in &outcomes {
            self.writing.look(outcome.as_ref().err());
        }
        outcomes
    }

    async fn query(
        &self,
        collection: String,
        selection: Selection,
    ) -> Result<records::Page, Failure> {
        let store = Arc::clone(&self.stores.records);
        let call = async move { store.query(collection, selection).await };
        self.reading.pass("records.query", call).await
    }
}

#[async_trait]
impl DeadLetters for Timely {
    async fn push(&self, letter: Letter) -> Result<(), Failure> {
        let store = Arc::clone(&self.stores.dead_letters);
        self.writing
            .pass("dead_letters.push", async move { store.push(letter).await })
            .await
    }

    async fn list(&self, after: Option<Place>, limit: u32) -> Result<dead_letters::Page, Failure> {
        let store = Arc::clone(&self.stores.dead_letters);
        self.reading
            .pass("dead_letters.list", async move {
                store.list(after, limit).await
            })
            .await
    }

    async fn get(&self, letter_id: String) -> Result<Option<StoredLetter>, Failure> {
        let store = Arc::clone(&self.stores.dead_letters);
        self.reading
            .pass(
                "dead_letters.get",
                async move { store.get(letter_id).await },
            )
            .await
    }

    async fn preview(
        &self,
        selection: dead_letters::Selection,
        after: Option<Place>,
        limit: u32,
    ) -> Result<PreviewPage, Failure> {
        let store = Arc::clone(&self.stores.dead_letters);
        let call = async move { store.preview(selection, after, limit).await };
        self.reading.pass("dead_letters.preview", call).await
    }

    async fn take(
        &self,
        selection: dead_letters::Selection,
        round: Option<u64>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Taken, Failure> {
        let store = Arc::clone(&self.stores.dead_letters);
        let call = async move { store.take(selection, round, limit, lease_ms).await };
        self.writing.pass("dead_letters.take", call).await
    }

    async fn take_damaged(
        &self,
        letter_id: String,
        lease_ms: u32,
    ) -> Result<Option<Lease>, Failure> {
        let store = Arc::clone(&self.stores.dead_letters);
        self.writing
            .pass("dead_letters.take_damaged", async move {
                store.take_damaged(letter_id, lease_ms).await
            })
            .await
    }

    async fn settle(&self, letter_id: String, receipt: String) -> Result<bool, Failure> {
        let store = Arc::clone(&self.stores.dead_letters);
        let call = async move { store.settle(letter_id, receipt).await };
        self.writing.pass("dead_letters.settle", call).await
    }

    async fn release(
        &self,
        letter_id: String,
        receipt: String,
        turn: Option<u64>,
    ) -> Result<bool, Failure> {
        let store = Arc::clone(&self.stores.dead_letters);
        let call = async move { store.release(letter_id, receipt, turn).await };
        self.writing.pass("dead_letters.release", call).await
    }
}

#[async_trait]
impl ErrorTopic for Timely {
    async fn publish(&self, error: SystemError) -> Result<(), Failure> {
        let store = Arc::clone(&self.stores.error_topic);
        self.publishing
            .pass(
                "error_topic.publish",
                async move { store.publish(error).await },
            )
            .await
    }
}

#[async_trait]
impl Circuits for Timely {
    async fn load(&self, name: String) -> Result<Circuit, Failure> {
        let store = Arc::clone(&self.stores.circuits);
        self.reading
            .pass("circuits.load", async move { store.load(name).await })
            .await
    }

    async fn compare_and_swap(
        &self,
        name: String,
        expected_version: u64,
        state: String,
    ) -> Result<Circuit, SwapFailure> {
        let store = Arc::clone(&self.stores.circuits);
        let call = async move { store.compare_and_swap(name, expected_version, state).await };
        self.writing
            .pass_or("circuits.compare_and_swap", call, SwapFailure::Store)
            .await
    }
}
