//! Quantities of a month, which the formulas of several layers share.

use crate::workload::Workload;

/// Bytes in a KB of a workload, and KB in a MB and so on.
const KILO: f64 = 1024.0;
/// KB in a GiB.
const KB_PER_GIB: f64 = KILO * KILO;
/// Days in a month of this model.
const DAYS: f64 = 30.0;

/// What a workload amounts to in a month.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Month {
    /// Messages of all devices. Not rounded.
    pub(crate) messages: f64,
    /// What is stored of them, in GiB.
    pub(crate) gib: f64,
    /// Queries of dashboards.
    pub(crate) queries: f64,
    /// Bytes of all messages.
    pub(crate) message_bytes: f64,
    /// Bytes of all answers to queries.
    pub(crate) answer_bytes: f64,
}

impl Month {
    pub(crate) fn of(workload: &Workload) -> Self {
        let messages = workload.devices as f64 * (60.0 / workload.interval_minutes) * 24.0 * DAYS;
        let queries = workload.active_hours_per_day as f64
            * workload.refreshes_per_hour as f64
            * workload.calls_per_refresh as f64
            * DAYS;
        Self {
            messages,
            gib: messages * workload.message_kb / KB_PER_GIB,
            queries,
            message_bytes: messages * workload.message_kb * KILO,
            answer_bytes: queries * workload.answer_kb * KILO,
        }
    }

    /// GiB of messages of at least one KB each.
    pub(crate) fn gib_of_at_least_a_kb(&self, workload: &Workload) -> f64 {
        self.messages * workload.message_kb.max(1.0) / KB_PER_GIB
    }
}
