//! A running host's numbers at `/metrics`: the content of its queues and stores.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    sync::Mutex as AsyncMutex,
    time::{Instant, timeout},
};
use twin_contract::{Cloud, Peer};
use twin_delivery::Circuit;

use crate::{
    dispatch::Exposition,
    providers::{Numbers, Statistics},
    runtime::Runtime,
    telemetry::metrics,
};

/// The minimum time between two queries of the store, however often `/metrics` is requested.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long `/metrics` waits for the store.
const PATIENCE: Duration = Duration::from_millis(500);

/// Exports a host's numbers.
pub(crate) struct Observed {
    runtime: Arc<Runtime>,
    store: Arc<Watched>,
}

/// A store that is asked for its numbers.
struct Watched {
    cloud: Cloud,
    statistics: Arc<dyn Statistics>,
    /// When the store last answered. Locked during a query, so a store that hangs is queried only once.
    asked: AsyncMutex<Option<Instant>>,
    /// The peers for which a circuit was exported.
    peers: Mutex<BTreeSet<Peer>>,
}

impl Observed {
    /// Creates the exporter for a cloud's host.
    pub(crate) fn new(
        cloud: Cloud,
        runtime: Arc<Runtime>,
        statistics: Arc<dyn Statistics>,
    ) -> Self {
        Self {
            runtime,
            store: Arc::new(Watched::new(cloud, statistics)),
        }
    }
}

#[async_trait]
impl Exposition for Observed {
    async fn render(&self) -> String {
        for (function, calls) in self.runtime.waiting() {
            metrics::queue_depth(self.store.cloud, function, calls);
        }
        self.store.refresh().await;
        metrics::render()
    }
}

impl Watched {
    fn new(cloud: Cloud, statistics: Arc<dyn Statistics>) -> Self {
        Self {
            cloud,
            statistics,
            asked: AsyncMutex::new(None),
            peers: Mutex::default(),
        }
    }

    /// Queries the store, unless it answered less than [`INTERVAL`] ago or a query is in progress. Waits at most
    /// [`PATIENCE`]; a later answer is shown by a later request.
    async fn refresh(self: &Arc<Self>) {
        let store = Arc::clone(self);
        let asking = async move {
            let Ok(mut asked) = store.asked.try_lock() else {
                return;
            };
            if asked.is_some_and(|at| at.elapsed() < INTERVAL) {
                return;
            }
            let numbers = store.statistics.numbers().await;
            if let Err(failure) = &numbers {
                tracing::warn!(cloud = store.cloud.as_str(), ?failure, "store not counted");
            }
            store.show(numbers.ok().as_ref());
            *asked = Some(Instant::now());
        };
        // A separate task, which continues when this request stops waiting.
        match timeout(PATIENCE, tokio::spawn(asking)).await {
            Ok(Ok(())) => {}
            // Out of time, or a panic.
            Ok(Err(_)) | Err(_) => self.show(None),
        }
    }

    fn show(&self, numbers: Option<&Numbers>) {
        metrics::store(self.cloud, numbers);
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(numbers) = numbers else {
            peers
                .iter()
                .for_each(|peer| metrics::circuit(self.cloud, *peer, None));
            return;
        };
        for (name, state) in &numbers.circuits {
            let peer = Circuit::peer_of(name).and_then(|name| name.parse::<Peer>().ok());
            if let Some(peer) = peer {
                metrics::circuit(self.cloud, peer, Some(Circuit::from_json(state)));
                peers.insert(peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::sync::Semaphore;
    use twin_delivery::StoreTime;

    use super::*;
    use twin_capabilities::types::Failure;

    /// A store that answers as often as it is permitted to, and counts the queries.
    struct Store {
        answers: Semaphore,
        asked: AtomicU32,
        numbers: Mutex<Result<Numbers, Failure>>,
    }

    impl Store {
        fn letting(answers: usize) -> Arc<Self> {
            Arc::new(Self {
                answers: Semaphore::new(answers),
                asked: AtomicU32::new(0),
                numbers: Mutex::new(Ok(Numbers {
                    dead_letters: Some(3),
                    oldest_letter: Some(Duration::from_millis(1500)),
                    outbox: Some(2),
                    circuits: ["writer", "ingestion", "unknown"]
                        .map(|peer| {
                            (
                                Circuit::name_of(peer),
                                Circuit::Open {
                                    until: StoreTime::from_millis(1),
                                }
                                .to_json(),
                            )
                        })
                        .into(),
                    disk_free: Some(4096),
                })),
            })
        }

        fn says(&self, numbers: Result<Numbers, Failure>) {
            *self.numbers.lock().unwrap() = numbers;
        }
    }

    #[async_trait]
    impl Statistics for Store {
        async fn numbers(&self) -> Result<Numbers, Failure> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.answers.acquire().await.unwrap().forget();
            self.numbers.lock().unwrap().clone()
        }
    }

    /// The value of a cloud's series. The recorder is shared by the process, so each test uses its own cloud.
    #[track_caller]
    fn shown(cloud: Cloud, series: &str) -> String {
        let text = metrics::render();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let series = format!("{name}{{cloud=\"{cloud}\"{labels} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&series));
        value
            .unwrap_or_else(|| panic!("no {series} in {text}"))
            .to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn the_stores_numbers_are_shown_and_asked_for_at_most_once_in_five_seconds() {
        metrics::recorder();
        let store = Store::letting(100);
        let watched = Arc::new(Watched::new(Cloud::Aws, store.clone()));
        for _ in 0..10 {
            watched.refresh().await;
        }
        assert_eq!(store.asked.load(Ordering::SeqCst), 1);
        for (series, value) in [
            ("twin_store_up", "1"),
            ("twin_dead_letters", "3"),
            ("twin_dead_letter_oldest_age_seconds", "1.5"),
            ("twin_outbox_events", "2"),
            ("twin_data_disk_free_bytes", "4096"),
            ("twin_circuit_state{,peer=\"writer\"}", "2"),
        ] {
            assert_eq!(shown(Cloud::Aws, series), value, "{series}");
        }
        assert!(!metrics::render().contains("unknown"), "labels are bounded");
        store.says(Ok(Numbers {
            circuits: vec![(Circuit::name_of("writer"), Circuit::Closed.to_json())],
            ..Numbers::default()
        }));
        tokio::time::sleep(INTERVAL).await;
        watched.refresh().await;
        assert_eq!(store.asked.load(Ordering::SeqCst), 2);
        assert_eq!(
            shown(Cloud::Aws, "twin_circuit_state{,peer=\"writer\"}"),
            "0"
        );
        assert_eq!(
            shown(Cloud::Aws, "twin_dead_letters"),
            "NaN",
            "not every store counts"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_is_waited_for_once_and_its_numbers_are_unknown() {
        metrics::recorder();
        let store = Store::letting(1);
        let watched = Arc::new(Watched::new(Cloud::Azure, store.clone()));
        watched.refresh().await;
        assert_eq!(shown(Cloud::Azure, "twin_store_up"), "1");
        tokio::time::sleep(INTERVAL).await;
        let before = Instant::now();
        for _ in 0..10 {
            watched.refresh().await;
        }
        assert_eq!(before.elapsed(), PATIENCE);
        assert_eq!(store.asked.load(Ordering::SeqCst), 2);
        for series in ["twin_dead_letters", "twin_circuit_state{,peer=\"writer\"}"] {
            assert_eq!(shown(Cloud::Azure, series), "NaN", "{series}");
        }
        assert_eq!(shown(Cloud::Azure, "twin_store_up"), "0");
        // The query is answered after all.
        store.answers.add_permits(1);
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(shown(Cloud::Azure, "twin_store_up"), "1");
        assert_eq!(shown(Cloud::Azure, "twin_dead_letters"), "3");
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_fails_has_unknown_numbers() {
        metrics::recorder();
        let store = Store::letting(100);
        store.says(Err(Failure::Unavailable("it is away".into())));
        let watched = Arc::new(Watched::new(Cloud::Gcp, store));
        watched.refresh().await;
        assert_eq!(shown(Cloud::Gcp, "twin_store_up"), "0");
        assert_eq!(shown(Cloud::Gcp, "twin_outbox_events"), "NaN");
    }
}
