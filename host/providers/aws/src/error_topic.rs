//! System errors on a bus of EventBridge, which delivers them to the error reporter by its rules.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use serde::Serialize;
use twin_capabilities::{
    ErrorTopic, Failure,
    error_topic::{PUBLISH_LIMIT, SystemError},
};
use twin_documents::{Kind, ServiceError};
use uuid::Uuid;

use crate::{
    connection::Connection,
    error::{self, Action},
};

/// What the events of all components are called.
const DETAIL_TYPE: &str = "Error";

/// The largest detail. EventBridge limits an entry to 256 KiB, the source and the type included.
const LARGEST_DETAIL: usize = 250 * 1024;

/// The error topic.
pub(crate) struct EventBridge {
    connection: Arc<Connection>,
}

/// The detail of an event: the system error, and the id by which the error reporter stores it.
#[derive(Serialize)]
struct Detail<'a> {
    id: &'a str,
    #[serde(flatten)]
    error: &'a SystemError,
}

impl EventBridge {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        Self { connection }
    }

    async fn put(&self, entry: PutEventsRequestEntry) -> Result<(), ServiceError> {
        let answer = self
            .connection
            .call_within(PUBLISH_LIMIT, Action::PUT_EVENTS, |aws| {
                aws.eventbridge.put_events().entries(entry).send()
            })
            .await?;
        if answer.failed_entry_count == 0 {
            return Ok(());
        }
        // The bus did not take the event, though the call itself succeeded.
        let entries = answer.entries.unwrap_or_default();
        let code = entries.into_iter().find_map(|entry| entry.error_code);
        Err(match code {
            Some(code) => {
                let kind = error::of_code(&code);
                Action::PUT_EVENTS.failed(code, kind)
            }
            None => Action::PUT_EVENTS.failed("an entry failed", Kind::Unavailable),
        })
    }
}

#[async_trait]
impl ErrorTopic for EventBridge {
    async fn publish(&self, error: SystemError) -> Result<(), Failure> {
        let id = Uuid::now_v7().to_string();
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.connection.settings().event_bus)
            .source(source(&error.component))
            .detail_type(DETAIL_TYPE)
            .detail(detail(&id, error))
            .build();
        Ok(self.put(entry).await?)
    }
}

fn source(component: &str) -> String {
    format!("twin2multicloud.{}", component.to_lowercase())
}

/// The detail as JSON. What it has too much is cut from the end of the payload, and then of the message.
fn detail(id: &str, mut error: SystemError) -> String {
    let raw_data = error.raw_data.take();
    let mut rest = encoded(id, &error);
    if rest.len() > LARGEST_DETAIL {
        let without = rest.len().saturating_sub(escaped(&error.message));
        cut(&mut error.message, LARGEST_DETAIL.saturating_sub(without));
        rest = encoded(id, &error);
    }
    let Some(mut raw_data) = raw_data else {
        return rest;
    };
    // The comma, the name and the quotes: `,"raw_data":""`.
    let Some(room) = LARGEST_DETAIL.checked_sub(rest.len() + 14) else {
        return rest;
    };
    cut(&mut raw_data, room);
    error.raw_data = Some(raw_data);
    encoded(id, &error)
}

fn encoded(id: &str, error: &SystemError) -> String {
    // A struct of texts: it cannot fail.
    serde_json::to_string(&Detail { id, error }).unwrap_or_default()
}

/// Cuts a text to what has so many bytes in JSON.
fn cut(text: &mut String, mut room: usize) {
    for (end, character) in text.char_indices() {
        match room.checked_sub(escaped_char(character)) {
            Some(left) => room = left,
            None => {
                text.truncate(end);
                return;
            }
        }
    }
}

/// How many bytes a text has within a string of JSON.
fn escaped(text: &str) -> usize {
    text.chars().map(escaped_char).sum()
}

fn escaped_char(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\x08' | '\x0c' => 2,
        '\0'..=' ' if character != ' ' => 6,
        _ => character.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};
    use twin_capabilities::testing::samples::system_error;

    use super::*;

    fn parsed(error: SystemError) -> Json {
        let detail = detail("1", error);
        assert!(detail.len() <= LARGEST_DETAIL, "{}", detail.len());
        serde_json::from_str(&detail).unwrap()
    }

    #[test]
    fn an_event_is_the_specifications_error_and_an_id() {
        assert_eq!(
            parsed(system_error("STORE_FAILED")),
            json!({
                "id": "1", "twin_id": "factory-01", "cloud_provider": "aws",
                "severity": "WARNING", "component": "L1-Connector",
                "error_code": "STORE_FAILED", "message": "3 messages to writer",
                "timestamp": "2026-01-01T00:00:00Z", "raw_data": "{\"temperature\": 21.50}",
            })
        );
        assert_eq!(source("L1-Connector"), "twin2multicloud.l1-connector");
    }

    #[test]
    fn what_an_event_cannot_hold_is_cut_off() {
        for part in ["\0", "x", "\"", "é"] {
            let long = part.repeat(LARGEST_DETAIL);
            let with_long_data = SystemError {
                raw_data: Some(long.clone()),
                ..system_error("A")
            };
            let encoded = detail("1", with_long_data.clone());
            // It has all that fits: not even one more character would.
            assert!(encoded.len() + escaped(part) > LARGEST_DETAIL);
            let cut = parsed(with_long_data);
            assert!(long.starts_with(cut["raw_data"].as_str().unwrap()));
            assert_eq!(cut["message"], "3 messages to writer");

            let with_long_message = SystemError {
                message: long.clone(),
                ..system_error("A")
            };
            let cut = parsed(with_long_message);
            assert!(long.starts_with(cut["message"].as_str().unwrap()));
            assert_eq!(cut["error_code"], "A");
        }
    }

    #[test]
    fn the_bytes_of_a_text_in_json_are_counted_exactly() {
        let text: String = ('\0'..='\u{ff}').chain(['\u{2028}', '🌡']).collect();
        let json = serde_json::to_string(&text).unwrap();
        assert_eq!(escaped(&text) + 2, json.len());
    }
}
