//! The runtime: a panic in the host's own code loses the calls of one instance, and nothing else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{future::join_all, join};
use twin_capabilities::{
    circuits::{Circuit, SwapFailure},
    records::{Entry, Outcome, Page, Selection},
    types::Failure,
};
use twin_host::{
    function::{
        CallError,
        FunctionName::{Connector, Reader, Writer},
    },
    providers::{Circuits, Records, Stores},
};
use twin_tests::{
    READING, Stage, StageBuilder, bodies::ENVELOPE_L3, connector, get, post, received,
};

/// Panics in a row: more than there are lanes, threads or other resources that a panic might use up.
const MANY: usize = 150;

/// How long a query takes, in milliseconds of virtual time.
const QUERY_MS: u64 = 1_000;

/// Records whose puts panic while the switch is on, and whose queries take [`QUERY_MS`].
struct Panicking {
    inner: Arc<dyn Records>,
    panics: Arc<AtomicBool>,
}

#[async_trait]
impl Records for Panicking {
    async fn put(&self, collection: String, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>> {
        // Panics while the component is suspended as well as before.
        tokio::task::yield_now().await;
        assert!(!self.panics.load(Ordering::SeqCst), "as it should");
        self.inner.put(collection, entries).await
    }

    async fn query(&self, collection: String, selection: Selection) -> Result<Page, Failure> {
        tokio::time::sleep(Duration::from_millis(QUERY_MS)).await;
        self.inner.query(collection, selection).await
    }
}

/// A writer and a reader in one runtime, over records that panic while the switch is on.
fn writer_beside_reader() -> (StageBuilder, Arc<AtomicBool>) {
    let panics = Arc::new(AtomicBool::new(true));
    let switch = Arc::clone(&panics);
    let stage = Stage::of(Writer)
        .with(Reader)
        .watch(|stores: Stores| Stores {
            records: Arc::new(Panicking {
                inner: stores.records.clone(),
                panics,
            }),
            ..stores
        });
    (stage, switch)
}

#[tokio::test(start_paused = true)]
async fn a_store_that_panics_loses_one_instance_after_another_and_the_function_serves_on() {
    let (stage, panics) = writer_beside_reader();
    let stage = stage.build().await;
    for _ in 0..MANY {
        let lost = stage.try_call(post("/write", ENVELOPE_L3)).await;
        assert_eq!(lost, Err(CallError::InstanceLost(Writer)));
    }
    assert_eq!(stage.elapsed_ms(), 0, "callers are told at once");
    panics.store(false, Ordering::SeqCst);
    let told = stage.call(post("/write", ENVELOPE_L3)).await;
    assert_eq!(told.status, 200);
}

#[tokio::test(start_paused = true)]
async fn the_functions_beside_one_that_panics_go_on_with_their_calls() {
    for lanes in [1, 2] {
        let (stage, panics) = writer_beside_reader();
        let stage = stage.instances(lanes).build().await;
        let queries = join_all((0..20).map(|_| stage.call_of(Reader, get("/read?device_id=d1"))));
        let writes = async {
            // The queries are in progress by then.
            tokio::time::sleep(Duration::from_millis(QUERY_MS / 2)).await;
            join_all((0..MANY).map(|_| stage.try_call(post("/write", ENVELOPE_L3)))).await
        };
        let (read, written) = join!(queries, writes);
        for answer in read {
            assert_eq!(answer.map(|response| response.status), Ok(200));
        }
        for answer in written {
            assert_eq!(answer, Err(CallError::InstanceLost(Writer)));
        }
        assert_eq!(stage.elapsed_ms(), QUERY_MS);
        panics.store(false, Ordering::SeqCst);
        assert_eq!(stage.call(post("/write", ENVELOPE_L3)).await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_whose_sending_panics_loses_the_call_and_no_later_one() {
    let stage = connector().build().await;
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    stage.peers.answer("ingestion", move |_, arrival| {
        let nth = count.fetch_add(1, Ordering::SeqCst);
        assert!(nth >= MANY, "as it should");
        Ok(received(arrival.header("idempotency-key").unwrap()))
    });
    for _ in 0..MANY {
        let lost = stage.try_call(post("/telemetry", READING)).await;
        assert_eq!(lost, Err(CallError::InstanceLost(Connector)));
    }
    assert_eq!(stage.call(post("/telemetry", READING)).await.status, 200);
    assert_eq!(sent.load(Ordering::SeqCst), MANY + 1);
}

/// Circuits that panic whenever they are loaded.
struct NoCircuits;

#[async_trait]
impl Circuits for NoCircuits {
    async fn load(&self, name: String) -> Result<Circuit, Failure> {
        panic!("as it should, at {name}");
    }

    async fn compare_and_swap(
        &self,
        name: String,
        _expected_version: u64,
        _state: String,
    ) -> Result<Circuit, SwapFailure> {
        panic!("as it should, at {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_calls_at_once_that_panic_are_all_answered_at_once() {
    let stage = connector()
        .with(Reader)
        .instances(2)
        .watch(|stores: Stores| Stores {
            circuits: Arc::new(NoCircuits),
            ..stores
        })
        .build()
        .await;
    stage.peers.answer("ingestion", |_, arrival| {
        Ok(received(arrival.header("idempotency-key").unwrap()))
    });
    let calls = join_all((0..MANY).map(|_| stage.try_call(post("/telemetry", READING)))).await;
    for answer in calls {
        assert_eq!(answer, Err(CallError::InstanceLost(Connector)));
    }
    let read = stage.call_of(Reader, get("/read?device_id=d1")).await;
    assert_eq!(read.map(|response| response.status), Ok(200));
    assert_eq!(stage.elapsed_ms(), 0);
}
