//! System errors on the error topic (spec §4), at most one per subject and code in ten seconds.

use std::{cell::RefCell, collections::HashMap, time::Duration};

use twin_contract::SystemError;
use twin_delivery::{Deadline, Mono};

pub use crate::bindings::error_topic::Severity;

use crate::{
    bindings::{
        error_topic::{self, SystemError as Event},
        types::Failure,
    },
    clock, log, reply,
    settings::Settings,
};

/// Between two events of one subject and code.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// What happened.
#[derive(Clone, Copy, Debug)]
pub struct Incident<'a> {
    /// How bad it is.
    pub severity: Severity,
    /// `L1-Connector`, `L3-Writer`, …
    pub component: &'a str,
    /// Upper case with underscores.
    pub code: &'a str,
    /// For a human.
    pub message: &'a str,
    /// The payload that caused it.
    pub payload: Option<&'a [u8]>,
}

#[derive(Default)]
struct Window {
    /// When the last one was let through, if ever.
    last: Option<Mono>,
    /// How many have come since.
    count: u64,
}

thread_local! {
    static WINDOWS: RefCell<HashMap<String, Window>> = RefCell::default();
}

/// Counts an occurrence. If it is time for an event of this key, returns how many it stands for, itself included.
pub fn due(key: &str) -> Option<u64> {
    let now = clock::mono();
    WINDOWS.with_borrow_mut(|windows| {
        let window = windows.entry(key.to_owned()).or_default();
        window.count += 1;
        let due = window.last.is_none_or(|last| now.since(last) >= INTERVAL);
        due.then(|| {
            window.last = Some(now);
            std::mem::take(&mut window.count)
        })
    })
}

/// Gives a count back that was due but did not become an event, because another instance spoke so long `ago`. It is part
/// of the next, which is due when the other's ten seconds are over.
pub fn postpone(key: &str, count: u64, ago: Duration) {
    let spoken = clock::mono().before(ago);
    WINDOWS.with_borrow_mut(|windows| {
        let window = windows.entry(key.to_owned()).or_default();
        window.count += count;
        window.last = Some(spoken);
    });
}

/// Publishes unless the same was published in the last ten seconds. Never fails: the data path goes on without.
pub async fn publish_seldom(incident: Incident<'_>) {
    if let Some(count) = due(incident.code) {
        let message = with_count(incident.message, count);
        publish(Incident {
            message: &message,
            ..incident
        })
        .await;
    }
}

/// Reports a deadline that had no time for a single attempt when the call arrived: a setting, here or at the sender, that makes
/// every delivery fail although the peer is well. Does nothing if there was time.
pub async fn report_shortage(component: &str, deadline: Deadline, payload: Option<&[u8]>) {
    if let Some(shortage) = deadline.shortage() {
        publish_seldom(Incident {
            severity: Severity::Warning,
            component,
            code: "TIME_TOO_SHORT",
            message: &format!("too little time for an attempt: {shortage}"),
            payload,
        })
        .await;
    }
}

/// A message that says how many occurrences it stands for.
pub fn with_count(message: &str, count: u64) -> String {
    match count {
        1 => message.to_owned(),
        _ => format!("{message} ({count} times since the last report)"),
    }
}

/// Publishes. Never fails: what cannot be published is logged, and the data path goes on.
pub async fn publish(incident: Incident<'_>) {
    let _ = try_publish(incident).await;
}

/// Publishes, for a caller that does not go on without.
///
/// # Errors
/// Why it was not published, which is logged already.
pub async fn try_publish(incident: Incident<'_>) -> Result<(), Failure> {
    let published = publish_now(incident).await;
    if let Err(failure) = &published {
        log::error(
            "system error not published",
            &[
                ("error_code", incident.code),
                ("message", incident.message),
                ("cause", &reply::describe(failure)),
            ],
        );
    }
    published
}

async fn publish_now(incident: Incident<'_>) -> Result<(), Failure> {
    // Without them the event would tell of another twin or cloud.
    let settings = Settings::load().await;
    let settings = settings.map_err(|error| Failure::Unavailable(error.to_string()))?;
    let event = Event {
        twin_id: settings.twin.clone(),
        cloud_provider: settings.cloud.as_str().to_owned(),
        severity: incident.severity,
        component: incident.component.to_owned(),
        error_code: incident.code.to_owned(),
        message: incident.message.to_owned(),
        timestamp: clock::now().to_string(),
        raw_data: incident.payload.and_then(SystemError::raw_data),
    };
    error_topic::publish(event).await
}
