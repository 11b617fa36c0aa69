//! The numbers, their names and labels. No label's value comes from a request: there is a bounded number of series.

use std::{sync::OnceLock, thread, time::Duration};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use twin_contract::Cloud;

use crate::{
    bindings::peers::{Failure, Reply},
    config::Peer,
    function::FunctionName,
};

const REQUESTS: &str = "twin_requests_total";
const REQUEST_SECONDS: &str = "twin_request_duration_seconds";
const IN_FLIGHT: &str = "twin_requests_in_flight";
const OVERLOADS: &str = "twin_overloads_total";
const SENDS: &str = "twin_peer_sends_total";
const SEND_SECONDS: &str = "twin_peer_send_duration_seconds";

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
    describe_counter!(REQUESTS, "Requests answered, by function and status");
    describe_histogram!(REQUEST_SECONDS, "From the request's head to the response");
    describe_gauge!(IN_FLIGHT, "Requests being answered");
    describe_counter!(
        OVERLOADS,
        "Requests turned away with 503 because too many were being answered"
    );
    describe_counter!(SENDS, "Attempts to send to a peer, by outcome");
    describe_histogram!(SEND_SECONDS, "From an attempt's start to its outcome");
}

fn keep_up(handle: PrometheusHandle) {
    let upkeep = move || loop {
        thread::sleep(UPKEEP);
        handle.run_upkeep();
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
