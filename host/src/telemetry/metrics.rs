//! The numbers, their names and labels. No label's value comes from a request: there is a bounded number of series.

use std::{sync::OnceLock, thread, time::Duration};

use async_trait::async_trait;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use twin_contract::Cloud;

use super::{logger, sink};
use crate::{
    bindings::peers::{Failure, Reply},
    config::Peer,
    enduring,
    function::FunctionName,
    ingress::Numbers,
};

const REQUESTS: &str = "twin_requests_total";
const REQUEST_SECONDS: &str = "twin_request_duration_seconds";
const IN_FLIGHT: &str = "twin_requests_in_flight";
const OVERLOADS: &str = "twin_overloads_total";
const SENDS: &str = "twin_peer_sends_total";
const SEND_SECONDS: &str = "twin_peer_send_duration_seconds";
const INSTANCES_LOST: &str = "twin_instances_lost_total";
const LOG_LINES_DROPPED: &str = "twin_log_lines_dropped_total";
const PANICS: &str = "twin_panics_total";

/// A metric that the host exports.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name, with its unit and `_total` for a counter.
    pub name: &'static str,
    /// Whether it counts, shows or distributes.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// What a metric's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, from 0 at the start of the process.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It is sorted into buckets.
    Histogram,
}

impl Kind {
    /// As Prometheus calls it.
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

/// All metrics. A new one is added here and to docs/operations.md, which a test compares.
pub const METRICS: &[Metric] = &[
    metric(
        REQUESTS,
        Kind::Counter,
        &["cloud", "function", "status"],
        "Requests answered; function is none on the host's own paths",
    ),
    metric(
        REQUEST_SECONDS,
        Kind::Histogram,
        &["cloud", "function"],
        "From the request's head to the response",
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
        "Requests turned away with 503 because too many were being answered",
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
        INSTANCES_LOST,
        Kind::Counter,
        &["function"],
        "Instances of a function lost to a trap of the component or a panic of the host",
    ),
    metric(
        PANICS,
        Kind::Counter,
        &[],
        "Panics in the host's own code, each logged with its place",
    ),
    metric(
        LOG_LINES_DROPPED,
        Kind::Counter,
        &[],
        "Lines lost because stderr or stdout could not be written or not fast enough",
    ),
];

/// From a call in the same process to one that uses up its deadline, in seconds.
const BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 25.0,
];

/// How often recorded durations are sorted into buckets; until then each takes eight bytes.
const UPKEEP: Duration = Duration::from_secs(5);

/// The process's recorder, installed at the first call: before the first measurement, or that is lost.
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
        // An error says that somebody else's recorder is installed; then ours stays empty.
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

/// The numbers of the process alone: those of a host come with its stores.
pub struct Process;

#[async_trait]
impl Numbers for Process {
    async fn render(&self) -> String {
        render()
    }
}

/// All that was measured so far, in Prometheus' text format.
pub(crate) fn render() -> String {
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
        tracing::warn!(%error, "metrics grow until they are read: their upkeep has no thread");
    }
}

/// Counts a request as being answered while it exists.
pub(crate) struct InFlight {
    gauge: metrics::Gauge,
}

impl InFlight {
    pub(crate) fn new(cloud: Cloud, function: FunctionName) -> Self {
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

/// Counts a request that was answered; `function` is none if no function was asked.
pub(crate) fn request(cloud: Cloud, function: Option<FunctionName>, status: u16, took: Duration) {
    let function = function.map_or("none", FunctionName::as_str);
    let labels = [("cloud", cloud.as_str()), ("function", function)];
    counter!(REQUESTS, "cloud" => cloud.as_str(), "function" => function, "status" => status.to_string())
        .increment(1);
    histogram!(REQUEST_SECONDS, &labels).record(took);
}

/// Counts a request that was turned away.
pub(crate) fn overload(cloud: Cloud, function: FunctionName) {
    counter!(OVERLOADS, "cloud" => cloud.as_str(), "function" => function.as_str()).increment(1);
}

/// Makes the counter of a function's lost instances appear before it counts.
pub(crate) fn no_instance_lost(function: FunctionName) {
    counter!(INSTANCES_LOST, "function" => function.as_str()).increment(0);
}

/// Counts an instance lost to a trap or a panic.
pub(crate) fn instance_lost(function: FunctionName) {
    counter!(INSTANCES_LOST, "function" => function.as_str()).increment(1);
}

/// Counts an attempt to send.
pub(crate) fn send(cloud: Cloud, peer: Peer, outcome: &Result<Reply, Failure>, took: Duration) {
    let outcome = match outcome {
        Ok(reply) => match reply.status {
            200..=299 => "2xx",
            300..=399 => "3xx",
            400..=499 => "4xx",
            _ => "5xx",
        },
        Err(Failure::UnknownPeer) => "unknown-peer",
        Err(Failure::Unreachable(_)) => "unreachable",
        Err(Failure::TimedOut) => "timed-out",
        Err(Failure::CredentialsUnavailable(_)) => "credentials-unavailable",
        Err(Failure::RefusedByPolicy(_)) => "refused-by-policy",
        Err(Failure::Other(_)) => "other",
    };
    counter!(SENDS, "cloud" => cloud.as_str(), "peer" => peer.as_str(), "outcome" => outcome)
        .increment(1);
    histogram!(SEND_SECONDS, "cloud" => cloud.as_str(), "peer" => peer.as_str()).record(took);
}
