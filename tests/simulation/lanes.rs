//! The runtime: as many lanes as configured compute at the same time, each on its own thread.

use std::{
    collections::HashSet,
    sync::{Arc, Condvar, Mutex},
    thread::{self, ThreadId},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::join_all;
use twin_capabilities::{
    records::{Entry, Outcome, Page, Selection},
    types::Failure,
};
use twin_host::{
    function::FunctionName,
    providers::{Records, Stores},
};
use twin_tests::{Stage, bodies::ENVELOPE_L3, post};

/// More than the usual number of cores: the threads exist even if they share cores.
const LANES: usize = 8;

/// How long a thread waits for the others. Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// A barrier for threads: each is held until the expected number has arrived, or for [`PATIENCE`].
struct Meeting {
    expected: usize,
    there: Mutex<HashSet<ThreadId>>,
    complete: Condvar,
}

impl Meeting {
    fn of(expected: usize) -> Arc<Self> {
        Arc::new(Self {
            expected,
            there: Mutex::default(),
            complete: Condvar::new(),
        })
    }

    /// Holds the thread, and with it the lane that runs on it.
    fn wait(&self) {
        let mut there = self.there.lock().unwrap();
        there.insert(thread::current().id());
        self.complete.notify_all();
        let incomplete = |there: &mut HashSet<ThreadId>| there.len() < self.expected;
        drop(
            self.complete
                .wait_timeout_while(there, PATIENCE, incomplete),
        );
    }
}

/// Records whose puts wait at the barrier before anything is stored.
struct Gathered {
    inner: Arc<dyn Records>,
    meeting: Arc<Meeting>,
}

#[async_trait]
impl Records for Gathered {
    async fn put(&self, collection: String, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>> {
        self.meeting.wait();
        self.inner.put(collection, entries).await
    }

    async fn query(&self, collection: String, selection: Selection) -> Result<Page, Failure> {
        self.inner.query(collection, selection).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn eight_lanes_run_on_eight_threads_at_once() {
    let meeting = Meeting::of(LANES);
    let held = Arc::clone(&meeting);
    let stage = Stage::of(FunctionName::Writer)
        .instances(LANES)
        // On a busy machine, it may take time until all threads arrive.
        .runtime(|settings| settings.longest_computation = 2 * PATIENCE)
        .watch(|stores: Stores| Stores {
            records: Arc::new(Gathered {
                inner: stores.records.clone(),
                meeting: held,
            }),
            ..stores
        })
        .build()
        .await;
    let writes = (0..LANES).map(|_| stage.call(post("/write", ENVELOPE_L3)));
    let statuses: Vec<_> = join_all(writes)
        .await
        .iter()
        .map(|told| told.status)
        .collect();
    assert_eq!(statuses, [200; LANES]);
    // Each thread was held until all had arrived, so all of them were there at the same time.
    assert_eq!(meeting.there.lock().unwrap().len(), LANES);
}
