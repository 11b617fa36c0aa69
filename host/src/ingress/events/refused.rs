//! Events that a function refuses for good: kept as dead letters, and reported.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use twin_capabilities::{
    DeadLetters, ErrorTopic, Failure,
    dead_letters::{Attempt, Letter},
    error_topic::SystemError,
};
use twin_contract::{Cloud, EventCode, FunctionName, Timestamp, digest, letter_id};

use super::{Event, Subject, delivery::usable_id};

/// What a refused event has in place of a peer. No connector sends to it, so a replay leaves it where it is.
pub(super) const PEER: &str = "event";

/// The least time between two reports.
const PAUSE: Duration = Duration::from_secs(10);

/// Why an event was refused.
#[derive(Debug)]
pub(super) struct Reason {
    /// The function's status, if it was asked.
    pub(super) status: Option<u16>,
    pub(super) cause: String,
}

/// Keeps what was refused.
pub(super) struct Refused {
    pub(super) letters: Arc<dyn DeadLetters>,
    pub(super) topic: Arc<dyn ErrorTopic>,
    pub(super) twin: String,
    pub(super) cloud: Cloud,
    pub(super) component: &'static str,
    pub(super) clock: fn() -> i64,
    pub(super) window: Mutex<Window>,
}

/// What has not been reported yet.
#[derive(Default)]
pub(super) struct Window {
    reported_at: Option<Instant>,
    count: u64,
}

impl fmt::Debug for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Refused").finish_non_exhaustive()
    }
}

impl Refused {
    /// Stores the event as a dead letter, and reports that.
    ///
    /// # Errors
    /// If it cannot be stored.
    pub(super) async fn keep(
        &self,
        function: FunctionName,
        event: Event,
        reason: Reason,
    ) -> Result<(), Failure> {
        let now = (self.clock)();
        let Reason { status, cause } = reason;
        let id = event.id.as_deref().map(usable_id);
        let id = id.unwrap_or_else(|| digest(&event.raw));
        let letter = Letter {
            letter_id: letter_id(PEER, &id, &event.raw, digest),
            id: id.clone(),
            peer: PEER.to_owned(),
            trace_id: None,
            envelope: event.raw,
            attempts: vec![Attempt {
                at: now,
                status,
                cause: cause.clone(),
            }],
            first_failure_at: now,
            last_failure_at: now,
        };
        self.letters.push(letter).await?;
        tracing::warn!(id, cause, %function, "an event was refused and became a dead letter");
        // The error reporter never reports about itself: what it refuses would come back to it.
        if event.subject != Subject::SystemError {
            self.report(now, &cause).await;
        }
        Ok(())
    }

    /// Publishes at most once in ten seconds.
    async fn report(&self, now: i64, cause: &str) {
        let Some(count) = self.due() else { return };
        let message = match count {
            1 => format!("1 event was refused and became a dead letter: {cause}"),
            _ => format!(
                "{count} events were refused and became dead letters since the last report; the last one: {cause}"
            ),
        };
        let code = EventCode::EventRefused;
        let published = self.topic.publish(SystemError {
            twin_id: self.twin.clone(),
            cloud_provider: self.cloud.to_string(),
            severity: code.severity(),
            component: self.component.to_owned(),
            error_code: code.as_str().to_owned(),
            message: message.clone(),
            timestamp: Timestamp::from_micros(now).to_string(),
            raw_data: None,
        });
        if let Err(failure) = published.await {
            tracing::error!(error_code = code.as_str(), message, cause = %failure, "system error not published");
        }
    }

    /// How many events a report is about, if one is due.
    fn due(&self) -> Option<u64> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.count += 1;
        let is_due = window.reported_at.is_none_or(|at| at.elapsed() >= PAUSE);
        is_due.then(|| {
            window.reported_at = Some(Instant::now());
            std::mem::take(&mut window.count)
        })
    }
}
