//! Copies of new dead letters, for a cloud's own alarms and tools. The letters themselves are in the document database: nothing
//! reads the copies, and they do not take part in replay.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use tokio::{sync::Semaphore, time::timeout};
use twin_capabilities::{Instant, dead_letters::Letter};

use crate::{letter::WrittenAttempt, service::ServiceError};

/// The longest that storing a letter waits for its copy. The copy is made before the caller gets its answer: on a function platform
/// nothing runs after that.
pub const COPY_LIMIT: Duration = Duration::from_secs(1);

/// How many copies are sent at the same time. While the service for the copies hangs, letters come in large numbers, and each copy
/// holds a connection.
const AT_ONCE: usize = 32;

/// Where a cloud keeps copies of new dead letters: a queue, a container, a topic.
#[async_trait]
pub trait LetterCopies: Send + Sync + 'static {
    /// Sends one copy, once. The letter has been stored. The store gives up after [`COPY_LIMIT`], and logs a failure; it has no other
    /// effect.
    ///
    /// # Errors
    /// The service's failure.
    async fn send(&self, copy: &LetterCopy) -> Result<(), ServiceError>;
}

/// A letter that was stored for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LetterCopy {
    /// The letter.
    pub letter: Letter,
    /// When it was stored, in microseconds since 1970.
    pub stored_at: Instant,
}

/// What a letter is found by.
#[derive(Serialize)]
struct Pointer<'a> {
    letter_id: &'a str,
    id: &'a str,
    peer: &'a str,
    stored_at: Instant,
}

/// A whole letter.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    pointer: Pointer<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    first_failure_at: Instant,
    last_failure_at: Instant,
    attempts: Vec<WrittenAttempt<'a>>,
    #[serde(flatten)]
    envelope: Envelope<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Envelope<'a> {
    Text { envelope: &'a str },
    Bytes { envelope_base64: String },
}

impl LetterCopy {
    /// The letter as JSON. Times are in microseconds since 1970. An envelope that is no text is in `envelope_base64` instead of
    /// `envelope`.
    #[must_use]
    pub fn json(&self) -> String {
        let letter = &self.letter;
        let envelope = match str::from_utf8(&letter.envelope) {
            Ok(envelope) => Envelope::Text { envelope },
            Err(_) => Envelope::Bytes {
                envelope_base64: STANDARD.encode(&letter.envelope),
            },
        };
        encoded(&Whole {
            pointer: self.pointer(),
            trace_id: letter.trace_id.as_deref(),
            first_failure_at: letter.first_failure_at,
            last_failure_at: letter.last_failure_at,
            attempts: letter.attempts.iter().map(WrittenAttempt::of).collect(),
            envelope,
        })
    }

    /// Only what the letter is found by, as JSON: for a service that does not take the whole of it.
    #[must_use]
    pub fn pointer_json(&self) -> String {
        encoded(&self.pointer())
    }

    fn pointer(&self) -> Pointer<'_> {
        let letter = &self.letter;
        Pointer {
            letter_id: &letter.letter_id,
            id: &letter.id,
            peer: &letter.peer,
            stored_at: self.stored_at,
        }
    }
}

/// Texts and numbers only: it cannot fail.
fn encoded(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Sends copies within the limits.
pub(crate) struct Copier {
    to: Arc<dyn LetterCopies>,
    free: Semaphore,
}

impl Copier {
    pub(crate) fn new(to: Arc<dyn LetterCopies>) -> Self {
        Self {
            to,
            free: Semaphore::new(AT_ONCE),
        }
    }

    /// Copies a letter that has just been stored. A failure is logged and nothing else: the letter is safe.
    pub(crate) async fn copy(&self, twin: &str, copy: LetterCopy) {
        let send = async {
            // It is never closed.
            let _place = self.free.acquire().await;
            self.to.send(&copy).await
        };
        let cause = match timeout(COPY_LIMIT, send).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("timed out after {COPY_LIMIT:?}"),
        };
        let Letter {
            letter_id, peer, ..
        } = &copy.letter;
        tracing::warn!(
            twin,
            letter_id,
            peer,
            cause,
            "a dead letter is stored, but was not copied"
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};
    use twin_capabilities::dead_letters::Attempt;

    use super::*;

    fn copy(envelope: &[u8]) -> LetterCopy {
        LetterCopy {
            letter: Letter {
                letter_id: "a".to_owned(),
                id: "message-1".to_owned(),
                peer: "writer".to_owned(),
                trace_id: Some("trace-1".to_owned()),
                envelope: envelope.to_vec(),
                attempts: vec![Attempt {
                    at: 1,
                    status: None,
                    cause: "unreachable".to_owned(),
                }],
                first_failure_at: 1,
                last_failure_at: 2,
            },
            stored_at: 3,
        }
    }

    #[test]
    fn a_copy_has_the_whole_letter_or_points_to_it() {
        let copied: Json = serde_json::from_str(&copy(b"{}").json()).unwrap();
        let whole = json!({
            "letter_id": "a", "id": "message-1", "peer": "writer", "stored_at": 3, "trace_id": "trace-1",
            "first_failure_at": 1, "last_failure_at": 2, "attempts": [{"at": 1, "cause": "unreachable"}],
            "envelope": "{}",
        });
        assert_eq!(copied, whole);
        let pointer: Json = serde_json::from_str(&copy(b"{}").pointer_json()).unwrap();
        assert_eq!(
            pointer,
            json!({ "letter_id": "a", "id": "message-1", "peer": "writer", "stored_at": 3 })
        );
    }

    #[test]
    fn an_envelope_that_is_no_text_is_in_base64() {
        let copied: Json = serde_json::from_str(&copy(&[0, 255]).json()).unwrap();
        assert_eq!(copied["envelope_base64"], "AP8=");
        assert_eq!(copied.get("envelope"), None);
    }
}
