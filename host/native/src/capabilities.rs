//! What the functions can reach: one object that implements every capability by delegating to the one that it holds.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::watch;
use twin_capabilities::{
    Circuits, Clock, DeadLetters, Digest, ErrorTopic, Failure, Lifecycle, Log, Peers, Random,
    Records, Settings, Stores, Verifier,
    circuits::{Circuit, SwapFailure},
    credentials::{Caller, Denied, Presented},
    dead_letters::{
        Lease, Letter, Page as LetterPage, Place, PreviewPage, Selection as LetterSelection,
        StoredLetter, Taken,
    },
    error_topic::SystemError,
    function::FunctionName,
    log::Level,
    peers::{Outgoing, Reply, SendFailure},
    records::{Entry, Outcome, Page, Selection},
};
use twin_contract::Timestamp;

use crate::Time;

/// Everything that a function may use. The function's trait bounds determine which of it it can reach.
#[derive(Clone)]
pub struct Capabilities {
    /// The function's settings.
    pub settings: Arc<dyn Settings>,
    /// Checks callers' credentials.
    pub verifier: Arc<dyn Verifier>,
    /// Sends to other functions.
    pub peers: Arc<dyn Peers>,
    /// Where data is stored. Nothing here limits how long a store may take.
    pub stores: Stores,
    /// Clocks and random numbers.
    pub time: Time,
}

impl std::fmt::Debug for Capabilities {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Capabilities")
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

/// The capabilities of one function in one [`Native`](crate::Native).
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    /// The function that writes the log lines.
    pub(crate) function: FunctionName,
    pub(crate) capabilities: Capabilities,
    /// Becomes true when the functions must end.
    pub(crate) draining: watch::Receiver<bool>,
}

impl Granted {
    fn stores(&self) -> &Stores {
        &self.capabilities.stores
    }

    fn letters(&self) -> &dyn DeadLetters {
        self.stores().dead_letters.as_ref()
    }
}

#[async_trait]
impl Clock for Granted {
    fn now(&self) -> Timestamp {
        self.capabilities.time.now()
    }

    fn monotonic(&self) -> Duration {
        self.capabilities.time.monotonic()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

impl Random for Granted {
    fn random(&self) -> u64 {
        self.capabilities.time.random()
    }
}

impl Digest for Granted {
    fn sha256(bytes: &[u8]) -> String {
        twin_contract::digest(bytes)
    }
}

impl Log for Granted {
    fn emit(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let function = self.function.as_str();
        // One JSON object, in the form that the components' runtime logs.
        let fields: serde_json::Map<_, _> = fields
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.into()))
            .collect();
        let fields = serde_json::Value::Object(fields).to_string();
        match level {
            Level::Debug => tracing::debug!(function, fields, "{message}"),
            Level::Info => tracing::info!(function, fields, "{message}"),
            Level::Warn => tracing::warn!(function, fields, "{message}"),
            Level::Error => tracing::error!(function, fields, "{message}"),
        }
    }
}

#[async_trait]
impl Settings for Granted {
    async fn get(&self, name: &str) -> Result<Option<String>, Failure> {
        self.capabilities.settings.get(name).await
    }
}

#[async_trait]
impl Verifier for Granted {
    async fn verify(&self, presented: Presented) -> Result<Caller, Denied> {
        self.capabilities.verifier.verify(presented).await
    }
}

#[async_trait]
impl Lifecycle for Granted {
    async fn draining(&self) {
        let mut draining = self.draining.clone();
        // An error means that the functions have ended.
        let _ = draining.wait_for(|draining| *draining).await;
    }
}

#[async_trait]
impl Peers for Granted {
    async fn send(&self, messages: Vec<Outgoing>) -> Vec<Result<Reply, SendFailure>> {
        self.capabilities.peers.send(messages).await
    }
}

#[async_trait]
impl Records for Granted {
    async fn put(&self, collection: String, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>> {
        self.stores().records.put(collection, entries).await
    }

    async fn query(&self, collection: String, selection: Selection) -> Result<Page, Failure> {
        self.stores().records.query(collection, selection).await
    }
}

#[async_trait]
impl ErrorTopic for Granted {
    async fn publish(&self, error: SystemError) -> Result<(), Failure> {
        self.stores().error_topic.publish(error).await
    }
}

#[async_trait]
impl Circuits for Granted {
    async fn load(&self, name: String) -> Result<Circuit, Failure> {
        self.stores().circuits.load(name).await
    }

    async fn compare_and_swap(
        &self,
        name: String,
        expected_version: u64,
        state: String,
    ) -> Result<Circuit, SwapFailure> {
        let circuits = &self.stores().circuits;
        circuits
            .compare_and_swap(name, expected_version, state)
            .await
    }
}

#[async_trait]
impl DeadLetters for Granted {
    async fn push(&self, letter: Letter) -> Result<(), Failure> {
        self.letters().push(letter).await
    }

    async fn list(&self, after: Option<Place>, limit: u32) -> Result<LetterPage, Failure> {
        self.letters().list(after, limit).await
    }

    async fn get(&self, letter_id: String) -> Result<Option<StoredLetter>, Failure> {
        self.letters().get(letter_id).await
    }

    async fn preview(
        &self,
        selection: LetterSelection,
        after: Option<Place>,
        limit: u32,
    ) -> Result<PreviewPage, Failure> {
        self.letters().preview(selection, after, limit).await
    }

    async fn take(
        &self,
        selection: LetterSelection,
        round: Option<u64>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Taken, Failure> {
        self.letters().take(selection, round, limit, lease_ms).await
    }

    async fn take_damaged(
        &self,
        letter_id: String,
        lease_ms: u32,
    ) -> Result<Option<Lease>, Failure> {
        self.letters().take_damaged(letter_id, lease_ms).await
    }

    async fn settle(&self, letter_id: String, receipt: String) -> Result<bool, Failure> {
        self.letters().settle(letter_id, receipt).await
    }

    async fn release(
        &self,
        letter_id: String,
        receipt: String,
        turn: Option<u64>,
    ) -> Result<bool, Failure> {
        self.letters().release(letter_id, receipt, turn).await
    }
}
