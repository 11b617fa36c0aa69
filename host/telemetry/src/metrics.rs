//! The metrics, their names and labels. Label values never come from requests, so the number of series is bounded.

use std::{fmt, sync::OnceLock, thread, time::Duration};

use async_trait::async_trait;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use twin_capabilities::health::Numbers;
use twin_contract::{Cloud, FunctionName, Peer};
use twin_delivery::Circuit;
use twin_tasks::enduring;

use super::{logger, sink};
use crate::Exposition;
use twin_capabilities::peers::{Reply, SendFailure};

const REQUESTS: &str = "twin_requests_total";
const REQUEST_SECONDS: &str = "twin_request_duration_seconds";
const IN_FLIGHT: &str = "twin_requests_in_flight";
const OVERLOADS: &str = "twin_overloads_total";
const SENDS: &str = "twin_peer_sends_total";
const SEND_SECONDS: &str = "twin_peer_send_duration_seconds";
const CREDENTIALS_REFUSED: &str = "twin_credentials_refused_total";
const CONNECTIONS_CLOSED: &str = "twin_connections_closed_total";
const QUEUE_DEPTH: &str = "twin_queue_depth";
const CIRCUIT_STATE: &str = "twin_circuit_state";
const DEAD_LETTERS: &str = "twin_dead_letters";
const OLDEST_LETTER: &str = "twin_dead_letter_oldest_age_seconds";
const OUTBOX: &str = "twin_outbox_events";
const STORE_UP: &str = "twin_store_up";
const COMMIT_SECONDS: &str = "twin_store_commit_duration_seconds";
const DISK_FREE: &str = "twin_data_disk_free_bytes";
const INSTANCES_LOST: &str = "twin_instances_lost_total";
const LOG_LINES_DROPPED: &str = "twin_log_lines_dropped_total";
const PANICS: &str = "twin_panics_total";

/// A metric that the host exports.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name, with its unit and `_total` for a counter.
    pub name: &'static str,
    /// Whether it is a counter, a gauge or a histogram.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it measures.
    pub help: &'static str,
}

/// How a metric's value behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, from 0 at the start of the process.
    Counter,
    /// It goes up and down.
    Gauge,
    /// A distribution, in buckets.
    Histogram,
}

impl Kind {
    /// Prometheus' name for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

const fn metric(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind,
        labels,
        help,
    }
}

/// All metrics. Add a new one here and in docs/operations.md; a test compares the two.
pub const METRICS: &[Metric] = &[
    metric(
        REQUESTS,
        Kind::Counter,
        &["cloud", "function", "status"],
        "Requests answered; the function is `none` on the host's own paths",
    ),
    metric(
        REQUEST_SECONDS,
        Kind::Histogram,
        &["cloud", "function"],
        "From the end of the request's head to the response",
    ),
    metric(
        IN_FLIGHT,
        Kind::Gauge,
        &["cloud", "function"],
        "Requests being answered",
    ),
    metric(
        OVERLOADS,
        Kind::Counter,
        &["cloud", "function"],
        "Requests refused with 503 because too many were in progress",
    ),
    metric(
        CREDENTIALS_REFUSED,
        Kind::Counter,
        &["cloud", "reason"],
        "Requests whose credential was `missing` or `wrong`",
    ),
    metric(
        CONNECTIONS_CLOSED,
        Kind::Counter,
        &["reason"],
        "Connections that the host closed: to make `room` for others, or because their reply was left `unread`",
    ),
    metric(
        SENDS,
        Kind::Counter,
        &["cloud", "peer", "outcome"],
        "Attempts to send to a peer, by outcome",
    ),
    metric(
        SEND_SECONDS,
        Kind::Histogram,
        &["cloud", "peer"],
        "From an attempt's start to its outcome",
    ),
    metric(
        QUEUE_DEPTH,
        Kind::Gauge,
        &["cloud", "function"],
        "Calls waiting for an instance",
    ),
    metric(
        CIRCUIT_STATE,
        Kind::Gauge,
        &["cloud", "peer"],
        "0 closed, 1 half-open, 2 open; absent until a peer has failed",
    ),
    metric(
        DEAD_LETTERS,
        Kind::Gauge,
        &["cloud"],
        "Dead letters in the store; counted up to a million",
    ),
    metric(
        OLDEST_LETTER,
        Kind::Gauge,
        &["cloud"],
        "Age of the oldest dead letter; 0 if there are none",
    ),
    metric(
        OUTBOX,
        Kind::Gauge,
        &["cloud"],
        "System errors that no error reporter has taken yet; counted up to a million",
    ),
    metric(
        STORE_UP,
        Kind::Gauge,
        &["cloud"],
        "1 if the store returned its numbers when it was last asked, else 0",
    ),
    metric(
        COMMIT_SECONDS,
        Kind::Histogram,
        &[],
        "Time of one commit of the local store, failed ones included",
    ),
    metric(
        DISK_FREE,
        Kind::Gauge,
        &["cloud"],
        "Bytes that the host can still write to the disk of the data folder",
    ),
    metric(
        INSTANCES_LOST,
        Kind::Counter,
        &["function"],
        "Instances of a function lost to a trap of the component or a panic of the host",
    ),
    metric(
        PANICS,
        Kind::Counter,
        &[],
        "Panics in the host's own code, each logged with its location",
    ),
    metric(
        LOG_LINES_DROPPED,
        Kind::Counter,
        &[],
        "Lines lost because stderr or stdout could not be written, or not fast enough",
    ),
];

/// In seconds: from the duration of a call in the same process to that of one that uses up its deadline.
const BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 25.0,
];

/// How often recorded durations are sorted into buckets; until then, each takes eight bytes.
const UPKEEP: Duration = Duration::from_secs(5);

/// The process's recorder. It is installed by the first call; what was measured before that is lost.
pub fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        // Buckets are refused only if there are none.
        let builder = PrometheusBuilder::new();
        let recorder = builder
            .set_buckets(&BUCKETS)
            .unwrap_or_default()
            .build_recorder();
        let handle = recorder.handle();
        // An error means that another recorder is installed; then this one stays empty.
        if metrics::set_global_recorder(recorder).is_ok() {
            describe();
            keep_up(handle.clone());
        }
        handle
    })
}

fn describe() {
    for metric in METRICS {
        match metric.kind {
            Kind::Counter => describe_counter!(metric.name, metric.help),
            Kind::Gauge => describe_gauge!(metric.name, metric.help),
            Kind::Histogram => describe_histogram!(metric.name, metric.help),
        }
    }
}

/// The metrics of the process alone, without those of a host's stores.
#[derive(Debug)]
pub struct Process(());

impl Process {
    /// Installs the recorder. What was measured before that is lost.
    pub fn recorded() -> Self {
        recorder();
        Self(())
    }
}

#[async_trait]
impl Exposition for Process {
    async fn render(&self) -> String {
        render()
    }
}

/// Everything that has been measured so far, in Prometheus' text format.
pub fn render() -> String {
    let recorder = recorder();
    counter!(LOG_LINES_DROPPED).absolute(sink::lost());
    counter!(PANICS).absolute(logger::panics());
    recorder.render()
}

fn keep_up(handle: PrometheusHandle) {
    let upkeep = move || {
        enduring::until_done(|| {
            loop {
                thread::sleep(UPKEEP);
                handle.run_upkeep();
            }
        });
    };
    if let Err(error) = thread::Builder::new()
        .name("metrics-upkeep".into())
        .spawn(upkeep)
    {
        tracing::warn!(%error, "the upkeep of metrics has no thread: they grow until they are read");
    }
}

/// Counts a request as in progress for as long as this value exists.
#[must_use = "the request is counted only until this is dropped"]
pub struct InFlight {
    gauge: metrics::Gauge,
}

impl fmt::Debug for InFlight {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("InFlight").finish_non_exhaustive()
    }
}

impl InFlight {
    /// Counts a request of a function until it is dropped.
    pub fn new(cloud: Cloud, function: FunctionName) -> Self {
        let gauge = gauge!(IN_FLIGHT, "cloud" => cloud.as_str(), "function" => function.as_str());
        gauge.increment(1.0);
        Self { gauge }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.decrement(1.0);
    }
}

/// Counts a request that was answered; `function` is `None` if no function was called.
pub fn request(cloud: Cloud, function: Option<FunctionName>, status: u16, took: Duration) {
    let function = function.map_or("none", FunctionName::as_str);
    let labels = [("cloud", cloud.as_str()), ("function", function)];
    counter!(REQUESTS, "cloud" => cloud.as_str(), "function" => function, "status" => status.to_string())
        .increment(1);
    histogram!(REQUEST_SECONDS, &labels).record(took);
}

/// Counts a request that was refused because of overload.
pub fn overload(cloud: Cloud, function: FunctionName) {
    counter!(OVERLOADS, "cloud" => cloud.as_str(), "function" => function.as_str()).increment(1);
}

/// Registers the counter of a function's lost instances at 0, so that a rate includes the first loss.
pub fn no_instance_lost(function: FunctionName) {
    counter!(INSTANCES_LOST, "function" => function.as_str()).increment(0);
}

/// Counts an instance lost to a trap or a panic.
pub fn instance_lost(function: FunctionName) {
    counter!(INSTANCES_LOST, "function" => function.as_str()).increment(1);
}

/// Measures a commit of the local store.
pub fn commit(took: Duration) {
    histogram!(COMMIT_SECONDS).record(took);
}

/// Sets the number of calls of a function that are waiting for an instance.
pub fn queue_depth(cloud: Cloud, function: FunctionName, calls: usize) {
    let calls = u32::try_from(calls).unwrap_or(u32::MAX);
    gauge!(QUEUE_DEPTH, "cloud" => cloud.as_str(), "function" => function.as_str()).set(calls);
}

/// Sets the store's numbers; `None` sets NaN, because an old number may be wrong.
pub fn store(cloud: Cloud, numbers: Option<&Numbers>) {
    let up = f64::from(u8::from(numbers.is_some()));
    gauge!(STORE_UP, "cloud" => cloud.as_str()).set(up);
    let show = |name, value: Option<f64>| {
        gauge!(name, "cloud" => cloud.as_str()).set(value.unwrap_or(f64::NAN));
    };
    show(
        DEAD_LETTERS,
        numbers
            .and_then(|numbers| numbers.dead_letters)
            .map(f64::from),
    );
    let oldest = numbers.and_then(|numbers| numbers.oldest_letter);
    show(OLDEST_LETTER, oldest.map(|age| age.as_secs_f64()));
    show(
        OUTBOX,
        numbers.and_then(|numbers| numbers.outbox).map(f64::from),
    );
    let free = numbers.and_then(|numbers| numbers.disk_free);
    // Beyond 2^53 bytes the exact number does not matter.
    show(DISK_FREE, free.map(|bytes| bytes as f64));
}

/// Sets the state of a peer's circuit; `None` if it is unknown.
pub fn circuit(cloud: Cloud, peer: Peer, circuit: Option<Circuit>) {
    let state = match circuit {
        Some(Circuit::Closed | Circuit::Failing { .. }) => 0.0,
        Some(Circuit::HalfOpen { .. }) => 1.0,
        Some(Circuit::Open { .. }) => 2.0,
        None => f64::NAN,
    };
    gauge!(CIRCUIT_STATE, "cloud" => cloud.as_str(), "peer" => peer.as_str()).set(state);
}

/// Counts a request whose credential was `missing` or `wrong`.
pub fn credential_refused(cloud: Cloud, reason: &'static str) {
    counter!(CREDENTIALS_REFUSED, "cloud" => cloud.as_str(), "reason" => reason).increment(1);
}

/// Counts a connection that the host closed: to make `room` for others, or because its reply stayed `unread`.
pub fn connection_closed(reason: &'static str) {
    counter!(CONNECTIONS_CLOSED, "reason" => reason).increment(1);
}

/// Counts an attempt to send.
pub fn send(cloud: Cloud, peer: Peer, outcome: &Result<Reply, SendFailure>, took: Duration) {
    let outcome = match outcome {
        Ok(reply) => match reply.status {
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        },
        Err(SendFailure::UnknownPeer) => "unknown-peer",
        Err(SendFailure::Unreachable(_)) => "unreachable",
        Err(SendFailure::TimedOut) => "timed-out",
        Err(SendFailure::Exhausted(_)) => "exhausted",
        Err(SendFailure::CredentialsUnavailable(_)) => "credentials-unavailable",
        Err(SendFailure::RefusedByPolicy(_)) => "refused-by-policy",
        Err(SendFailure::Other(_)) => "other",
    };
    counter!(SENDS, "cloud" => cloud.as_str(), "peer" => peer.as_str(), "outcome" => outcome)
        .increment(1);
    histogram!(SEND_SECONDS, "cloud" => cloud.as_str(), "peer" => peer.as_str()).record(took);
}
