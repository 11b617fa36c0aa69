//! Records, letters and errors to store, for tests of a provider.

use async_trait::async_trait;

use crate::{
    Failure, Records,
    dead_letters::{Attempt, Letter, Selection as LetterSelection},
    error_topic::{Severity, SystemError},
    records::{Entry, Order, Outcome, Selection},
};

/// The collection of most tests.
pub const TELEMETRY: &str = "telemetry";

/// A record of `device-1` with the digest of its body.
pub fn entry(time: i64, id: &str, body: impl Into<Vec<u8>>) -> Entry {
    let body = body.into();
    Entry {
        device_id: "device-1".to_owned(),
        time,
        id: id.to_owned(),
        message_type: "telemetry".to_owned(),
        digest: format!("{}-{:?}", body.len(), body.first()),
        body,
    }
}

/// All records of `device-1`, in this order.
pub fn everything(order: Order) -> Selection {
    Selection {
        device_id: "device-1".to_owned(),
        start: None,
        end: None,
        order,
        limit: 1000,
        after: None,
    }
}

/// A letter with two attempts.
pub fn letter(letter_id: &str) -> Letter {
    Letter {
        letter_id: letter_id.to_owned(),
        id: format!("message-of-{letter_id}"),
        peer: "writer".to_owned(),
        trace_id: Some("trace-1".to_owned()),
        envelope: b"{\"payload\":\xF0\x9F\x8C\xA1, \0\xFF".to_vec(),
        attempts: vec![
            Attempt {
                at: -1,
                status: Some(503),
                cause: "HTTP 503".to_owned(),
            },
            Attempt {
                at: 1_000_000,
                status: None,
                cause: "timed out, they said: \"later\"".to_owned(),
            },
        ],
        first_failure_at: -1,
        last_failure_at: 1_000_000,
    }
}

/// Every letter.
pub fn any_letter() -> LetterSelection {
    LetterSelection {
        letter_id: None,
        peer: None,
        before: None,
    }
}

/// The letter with this name.
pub fn only(letter_id: &str) -> LetterSelection {
    LetterSelection {
        letter_id: Some(letter_id.to_owned()),
        ..any_letter()
    }
}

/// A warning with a payload.
pub fn system_error(error_code: &str) -> SystemError {
    SystemError {
        twin_id: "factory-01".to_owned(),
        cloud_provider: "aws".to_owned(),
        severity: Severity::Warning,
        component: "L1-Connector".to_owned(),
        error_code: error_code.to_owned(),
        message: "3 messages to writer".to_owned(),
        timestamp: "2026-01-01T00:00:00Z".to_owned(),
        raw_data: Some("{\"temperature\": 21.50}".to_owned()),
    }
}

/// Puts entries in tests in which all entries have the same kind of outcome.
#[async_trait]
pub trait PutAll {
    /// The outcomes, or the first failure.
    async fn put_all(
        &self,
        collection: String,
        entries: Vec<Entry>,
    ) -> Result<Vec<Outcome>, Failure>;
}

#[async_trait]
impl PutAll for dyn Records {
    async fn put_all(
        &self,
        collection: String,
        entries: Vec<Entry>,
    ) -> Result<Vec<Outcome>, Failure> {
        let outcomes = self.put(collection, entries).await;
        outcomes.into_iter().collect()
    }
}
