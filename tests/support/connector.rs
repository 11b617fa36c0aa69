//! What the connector's tests share: messages to send, and access to the letters and circuits of the stage.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};
use twin_capabilities::{
    dead_letters::{Attempt, Letter},
    error_topic::SystemError,
    peers::{Reply, SendFailure},
};
use twin_host::function::{FunctionName, Request};

use crate::{EPOCH_SECONDS, Stage, StageBuilder, Told, error, post, received};

/// A device's reading with its own time.
pub const READING: &str = r#"{"device_id":"d1","time":"2026-01-01T00:00:00Z","t":1.50}"#;
/// The trace in [`TRACEPARENT`].
pub const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
/// A header of W3C trace context.
pub const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A connector on a stage.
pub fn connector() -> StageBuilder {
    Stage::of(FunctionName::Connector)
}

/// A connector that makes one attempt for each message, so a test can determine the times of failures.
pub fn without_retries() -> StageBuilder {
    connector().set("RETRY_MAX", "0")
}

/// A connector whose messages become letters at once, for either layer.
pub async fn connector_refused() -> Stage {
    let stage = connector().build().await;
    for peer in ["ingestion", "writer"] {
        stage.peers.answer(peer, |_, _| Ok(error(400)));
    }
    stage
}

/// A connector with this many letters for `ingestion`, and a peer that receives from now on.
pub async fn connector_with_letters(count: usize) -> Stage {
    let stage = connector_refused().await;
    stage.send_many("m", count).await;
    assert_eq!(stage.letters().await.len(), count);
    stage.peers.forget();
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    stage
}

/// An envelope for a layer.
pub fn envelope(layer: &str) -> String {
    format!(
        r#"{{"source_cloud":"aws","target_layer":"{layer}","message_type":"telemetry","timestamp":"2026-01-01T00:00:00Z","payload":{{"device_id":"d1","t":1.50}},"trace_id":"abc-123"}}"#
    )
}

/// The request with one more header.
pub fn with_header(mut request: Request, name: &str, value: &str) -> Request {
    request.headers.push((name.to_owned(), value.to_owned()));
    request
}

/// A reading with a given id.
pub fn keyed(id: &str) -> Request {
    with_header(post("/telemetry", READING), "idempotency-key", id)
}

/// The reply of a peer that fails.
pub fn failing() -> Result<Reply, SendFailure> {
    Ok(error(503))
}

/// Lets virtual time pass.
pub async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// The causes of a letter's attempts.
pub fn causes(letter: &Letter) -> Vec<&str> {
    let attempts = letter.attempts.iter();
    attempts.map(|attempt| attempt.cause.as_str()).collect()
}

/// The times of a letter's attempts, in milliseconds since the start of the stage.
pub fn attempt_times_ms(letter: &Letter) -> Vec<u64> {
    let ms = |attempt: &Attempt| u64::try_from(attempt.at).unwrap() / 1_000 - EPOCH_SECONDS * 1_000;
    letter.attempts.iter().map(ms).collect()
}

impl Stage {
    /// Sends a reading with a given id.
    pub async fn send(&self, id: &str) -> Told {
        self.call(keyed(id)).await
    }

    /// Sends readings with ids that begin with `prefix`, all at once.
    pub async fn send_many(&self, prefix: &str, count: usize) -> Vec<Told> {
        let ids: Vec<_> = (0..count).map(|n| format!("{prefix}{n}")).collect();
        join_all(ids.iter().map(|id| self.send(id))).await
    }

    /// The only dead letter.
    pub async fn letter(&self) -> Letter {
        let mut letters = self.letters().await;
        assert_eq!(letters.len(), 1, "{letters:?}");
        letters.remove(0).letter
    }

    /// Commands a replay.
    pub async fn replay(&self, command: &str) -> Value {
        let told = self.call(post("/dead-letters/replay", command)).await;
        assert_eq!(told.status, 200, "{told:?}");
        told.body
    }

    /// The store's clock, in milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        EPOCH_SECONDS * 1_000 + self.elapsed_ms()
    }

    /// The version of a peer's circuit in the store, which is the number of times it was written.
    pub async fn circuit_version(&self, peer: &str) -> u64 {
        let circuits = self.stores.stores().circuits;
        let circuit = circuits.load(format!("peer/{peer}")).await;
        circuit.expect("memory works").version
    }

    /// The state of a peer's circuit in the store: `closed`, `failing`, `open` or `half-open`.
    pub async fn circuit(&self, peer: &str) -> String {
        let circuits = self.stores.stores().circuits;
        let circuit = circuits.load(format!("peer/{peer}")).await;
        let state: Value =
            serde_json::from_str(&circuit.expect("memory works").state).unwrap_or_default();
        state["state"].as_str().unwrap_or("closed").to_owned()
    }

    /// Stores a state of a peer's circuit, as another instance would.
    pub async fn put_circuit(&self, peer: &str, state: Value) {
        let circuits = self.stores.stores().circuits;
        let version = self.circuit_version(peer).await;
        let put = circuits.compare_and_swap(format!("peer/{peer}"), version, state.to_string());
        put.await.expect("memory works");
    }

    /// Stores that another instance saw the first failure of a peer just now.
    pub async fn start_failing(&self, peer: &str) {
        let now = self.now_ms();
        let state = json!({"state": "failing", "since": now, "last": now});
        self.put_circuit(peer, state).await;
    }

    /// Stores that another instance opened a peer's circuit, for this many seconds from now.
    pub async fn open_circuit(&self, peer: &str, seconds: u64) {
        let until = self.now_ms() + seconds * 1_000;
        self.put_circuit(peer, json!({"state": "open", "until": until}))
            .await;
    }

    /// Opens the circuit of a failing peer: a failure now and one every 20 seconds, for a minute.
    pub async fn fail_for_a_minute(&self) {
        for n in 0..4 {
            if n > 0 {
                seconds(20).await;
            }
            self.send(&format!("failure-{n}")).await;
        }
        assert_eq!(self.circuit("ingestion").await, "open");
    }

    /// The system errors with a code.
    pub async fn events_of(&self, code: &str) -> Vec<SystemError> {
        let mut events = self.events().await;
        events.retain(|event| event.error_code == code);
        events
    }

    /// How often each message was sent, by its id.
    pub fn sent_by_id(&self) -> BTreeMap<String, usize> {
        let mut sent = BTreeMap::new();
        for arrival in self.peers.arrivals() {
            let id = arrival.header("idempotency-key").unwrap_or("none");
            *sent.entry(id.to_owned()).or_default() += 1;
        }
        sent
    }
}
