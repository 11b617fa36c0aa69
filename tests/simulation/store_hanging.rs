//! A store that does not answer: every function reports this in time, with one code.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::watch;
use twin_capabilities::{
    circuits::{Circuit, SwapFailure},
    dead_letters::{
        Lease, Letter, Page as LetterPage, Place, PreviewPage, Selection as LetterSelection,
        StoredLetter, Taken,
    },
    error_topic::SystemError,
    records::{Entry, Outcome, Page, Selection},
    types::Failure,
};
use twin_host::{
    function::{FunctionName, Request},
    providers::{Circuits, DeadLetters, ErrorTopic, Records, Stores},
};
use twin_tests::{
    Stage, StageBuilder, Told, bodies::ENVELOPE_L3, connector, error, failing, get, post, received,
};

/// Stores whose calls wait while `hangs` is true.
#[derive(Clone)]
struct Hanging {
    inner: Stores,
    hangs: watch::Receiver<bool>,
    /// How long each call takes.
    takes: Duration,
}

impl Hanging {
    async fn answered(&self) {
        let mut hangs = self.hangs.clone();
        hangs.wait_for(|hangs| !hangs).await.unwrap();
        if !self.takes.is_zero() {
            tokio::time::sleep(self.takes).await;
        }
    }
}

#[async_trait]
impl Records for Hanging {
    async fn put(&self, collection: String, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>> {
        self.answered().await;
        self.inner.records.put(collection, entries).await
    }

    async fn query(&self, collection: String, selection: Selection) -> Result<Page, Failure> {
        self.answered().await;
        self.inner.records.query(collection, selection).await
    }
}

#[async_trait]
impl DeadLetters for Hanging {
    async fn push(&self, letter: Letter) -> Result<(), Failure> {
        self.answered().await;
        self.inner.dead_letters.push(letter).await
    }

    async fn list(&self, after: Option<Place>, limit: u32) -> Result<LetterPage, Failure> {
        self.answered().await;
        self.inner.dead_letters.list(after, limit).await
    }

    async fn get(&self, letter_id: String) -> Result<Option<StoredLetter>, Failure> {
        self.answered().await;
        self.inner.dead_letters.get(letter_id).await
    }

    async fn preview(
        &self,
        selection: LetterSelection,
        after: Option<Place>,
        limit: u32,
    ) -> Result<PreviewPage, Failure> {
        self.answered().await;
        let letters = &self.inner.dead_letters;
        letters.preview(selection, after, limit).await
    }

    async fn take(
        &self,
        selection: LetterSelection,
        round: Option<u64>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Taken, Failure> {
        self.answered().await;
        let letters = &self.inner.dead_letters;
        letters.take(selection, round, limit, lease_ms).await
    }

    async fn take_damaged(
        &self,
        letter_id: String,
        lease_ms: u32,
    ) -> Result<Option<Lease>, Failure> {
        self.answered().await;
        let letters = &self.inner.dead_letters;
        letters.take_damaged(letter_id, lease_ms).await
    }

    async fn settle(&self, letter_id: String, receipt: String) -> Result<bool, Failure> {
        self.answered().await;
        self.inner.dead_letters.settle(letter_id, receipt).await
    }

    async fn release(
        &self,
        letter_id: String,
        receipt: String,
        turn: Option<u64>,
    ) -> Result<bool, Failure> {
        self.answered().await;
        let letters = &self.inner.dead_letters;
        letters.release(letter_id, receipt, turn).await
    }
}

#[async_trait]
impl ErrorTopic for Hanging {
    async fn publish(&self, error: SystemError) -> Result<(), Failure> {
        self.answered().await;
        self.inner.error_topic.publish(error).await
    }
}

#[async_trait]
impl Circuits for Hanging {
    async fn load(&self, name: String) -> Result<Circuit, Failure> {
        self.answered().await;
        self.inner.circuits.load(name).await
    }

    async fn compare_and_swap(
        &self,
        name: String,
        expected_version: u64,
        state: String,
    ) -> Result<Circuit, SwapFailure> {
        self.answered().await;
        let swap = self
            .inner
            .circuits
            .compare_and_swap(name, expected_version, state);
        swap.await
    }
}

/// A stage whose stores hang while the sender's value is true.
async fn hanging(stage: StageBuilder) -> (Stage, watch::Sender<bool>) {
    stores_of(stage, true, Duration::ZERO).await
}

/// A stage whose stores may hang, and take this long for each call.
async fn stores_of(
    stage: StageBuilder,
    hang: bool,
    takes: Duration,
) -> (Stage, watch::Sender<bool>) {
    let (hang, hangs) = watch::channel(hang);
    let stage = stage.watch(move |inner| {
        let stores = Arc::new(Hanging {
            inner: inner.clone(),
            hangs,
            takes,
        });
        Stores {
            records: stores.clone(),
            dead_letters: stores.clone(),
            error_topic: stores.clone(),
            circuits: stores,
            ..inner
        }
    });
    (stage.build().await, hang)
}

async fn timed(stage: &Stage, request: Request) -> (Told, u64) {
    let begun = stage.elapsed_ms();
    let told = stage.call(request).await;
    (told, stage.elapsed_ms() - begun)
}

fn system_error() -> Request {
    post(
        "/errors",
        r#"{"twin_id":"t","cloud_provider":"aws","severity":"INFO","component":"L1-Connector","error_code":"X","message":"m","timestamp":"2026-01-01T00:00:00Z"}"#,
    )
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_is_a_503_in_time_whichever_function_asks() {
    for (function, request) in [
        (FunctionName::Writer, post("/write", ENVELOPE_L3)),
        (FunctionName::Reader, get("/read?device_id=d1")),
        (FunctionName::ErrorReporter, system_error()),
        (FunctionName::ErrorReporter, get("/errors")),
        (FunctionName::Connector, get("/dead-letters")),
        (FunctionName::Connector, get("/dead-letters/a")),
        (FunctionName::Connector, post("/dead-letters/replay", "")),
    ] {
        let (stage, _hang) = hanging(Stage::of(function)).await;
        let (told, took) = timed(&stage, request.clone()).await;
        assert_eq!(
            (told.status, told.code()),
            (503, "STORE_UNAVAILABLE"),
            "{function}"
        );
        assert_eq!(told.header("retry-after"), Some("1"));
        assert!(took <= 6_000, "{function}: {took} ms");
        // The store is known to hang, so this call does not wait for it again.
        let (told, took) = timed(&stage, request).await;
        assert_eq!(told.code(), "STORE_UNAVAILABLE");
        assert!(took <= 600, "{function}: {took} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_answers_again_is_used_again() {
    let (stage, hang) = hanging(Stage::of(FunctionName::Writer)).await;
    let told = stage.call(post("/write", ENVELOPE_L3)).await;
    assert_eq!(told.code(), "STORE_UNAVAILABLE");
    hang.send_replace(false);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let told = stage.call(post("/write", ENVELOPE_L3)).await;
    assert_eq!(told.status, 200, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_short_deadline_leaves_a_store_less_time() {
    let stage = Stage::of(FunctionName::Writer)
        .runtime(|runtime| runtime.deadline = Duration::from_secs(2));
    let (stage, _hang) = hanging(stage).await;
    let (told, took) = timed(&stage, post("/write", ENVELOPE_L3)).await;
    assert_eq!((told.status, told.code()), (503, "STORE_UNAVAILABLE"));
    assert!(took <= 1_000, "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn a_connector_delivers_without_its_store() {
    let (stage, _hang) = hanging(connector()).await;
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    let (told, took) = timed(&stage, stage_reading()).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert!(took <= 6_000, "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_cannot_deliver_either_answers_before_its_deadline() {
    let (stage, _hang) = hanging(connector()).await;
    stage.peers.answer("ingestion", |_, _| failing());
    let (told, took) = timed(&stage, stage_reading()).await;
    assert_eq!((told.status, told.code()), (503, "DELIVERY_FAILED"));
    assert!(took <= 25_000, "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn a_replay_gives_many_letters_back_at_once() {
    const LETTERS: usize = 320;
    let (stage, _hang) = stores_of(connector(), false, Duration::from_millis(20)).await;
    stage.peers.answer("ingestion", |_, _| Ok(error(400)));
    stage.send_many("m", LETTERS).await;
    assert_eq!(stage.letters().await.len(), LETTERS);
    stage.peers.answer("ingestion", |_, _| failing());
    let (told, took) = timed(&stage, post("/dead-letters/replay", "")).await;
    assert_eq!(told.status, 200, "{told:?}");
    // One after the other, they would take 6.4 s.
    assert!(took <= 2_000, "{took} ms");
    let letters = stage.letters().await;
    assert!(letters.iter().all(|stored| stored.leased_until.is_none()));
}

fn stage_reading() -> Request {
    post("/telemetry", twin_tests::READING)
}
