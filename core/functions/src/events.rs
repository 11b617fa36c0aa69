//! System errors on the error topic (spec §4), at most one per subject and code in ten seconds.

use twin_capabilities::{ErrorTopic, Failure};
pub(crate) use twin_contract::EventCode;
use twin_contract::SystemError;
use twin_delivery::Deadline;

use crate::{Call, settings, worlds::Portable};

/// Something to report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incident<'a> {
    /// `L1-Connector`, `L3-Writer`, …
    pub(crate) component: &'a str,
    /// The kind of event, which determines its severity.
    pub(crate) code: EventCode,
    /// Text for a person.
    pub(crate) message: &'a str,
    /// The payload that caused it.
    pub(crate) payload: Option<&'a [u8]>,
}

/// Publishes, unless the same event was published in the last ten seconds. Never fails: the data path continues.
pub(crate) async fn publish_seldom<C: Portable + ErrorTopic>(
    call: &Call<'_, C>,
    incident: Incident<'_>,
) {
    let windows = &call.context().windows;
    if let Some(count) = windows.due(incident.code.as_str(), call.mono()) {
        let message = with_count(incident.message, count);
        let incident = Incident {
            message: &message,
            ..incident
        };
        publish(call, incident).await;
    }
}

/// Reports a deadline that was too short for a single attempt when the call arrived. The cause is a setting, here or at the
/// sender, with which every delivery fails although the peer works. Does nothing if there was enough time.
pub(crate) async fn report_shortage<C: Portable + ErrorTopic>(
    call: &Call<'_, C>,
    component: &str,
    deadline: Deadline,
    payload: Option<&[u8]>,
) {
    if let Some(shortage) = deadline.shortage() {
        let incident = Incident {
            component,
            code: EventCode::TimeTooShort,
            message: &format!("too little time for an attempt: {shortage}"),
            payload,
        };
        publish_seldom(call, incident).await;
    }
}

/// A message that includes the number of occurrences.
fn with_count(message: &str, count: u64) -> String {
    match count {
        1 => message.to_owned(),
        _ => format!("{message} ({count} times since the last report)"),
    }
}

/// Publishes. Never fails: if publishing fails, that is logged, and the data path continues.
pub(crate) async fn publish<C: Portable + ErrorTopic>(call: &Call<'_, C>, incident: Incident<'_>) {
    let _ = try_publish(call, incident).await;
}

/// Publishes, for a caller that must not continue if publishing fails.
///
/// # Errors
/// The reason, which has already been logged.
pub(crate) async fn try_publish<C: Portable + ErrorTopic>(
    call: &Call<'_, C>,
    incident: Incident<'_>,
) -> Result<(), Failure> {
    let published = publish_now(call, incident).await;
    if let Err(failure) = &published {
        call.error(
            "system error not published",
            &[
                ("error_code", incident.code.as_str()),
                ("message", incident.message),
                ("cause", &failure.to_string()),
            ],
        );
    }
    published
}

async fn publish_now<C: Portable + ErrorTopic>(
    call: &Call<'_, C>,
    incident: Incident<'_>,
) -> Result<(), Failure> {
    // Without the settings, the event would name the wrong twin or cloud.
    let settings = settings::load(call).await;
    let settings = settings.map_err(|error| Failure::Unavailable(error.to_string()))?;
    let error = SystemError {
        twin_id: settings.twin.clone(),
        cloud_provider: settings.cloud.as_str().to_owned(),
        severity: incident.code.severity(),
        component: incident.component.to_owned(),
        error_code: incident.code.as_str().to_owned(),
        message: incident.message.to_owned(),
        timestamp: call.now().to_string(),
        raw_data: incident.payload.and_then(SystemError::raw_data),
    };
    call.capabilities().publish(error).await
}
