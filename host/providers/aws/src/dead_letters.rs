//! Copies of new dead letters in a queue of SQS, for the cloud's own alarms and tools. The letters themselves are in the table;
//! nothing reads the copies, and they do not take part in replay.

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::value::RawValue;
use tokio::{sync::OnceCell, time::timeout};
use twin_documents::{Document, Kind, Missing, ServiceError, Table};

use crate::{
    connection::Connection,
    error::Action,
    settings::{DeadLetterQueue, Names},
};

/// The longest that storing a letter waits for its copy.
const COPY_LIMIT: Duration = Duration::from_secs(1);

/// The largest message.
const LARGEST_COPY: usize = 256 * 1024;

/// Sends copies.
pub(crate) struct Copies {
    connection: Arc<Connection>,
    queue: Queue,
    /// The URL of a queue that is known by its name.
    url: OnceCell<String>,
}

/// The queue, as it is known before the first call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    Named(String),
    Url(String),
    None,
}

impl Queue {
    pub(crate) fn of(configured: &DeadLetterQueue, names: &Names) -> Self {
        match configured {
            DeadLetterQueue::Own => Self::Named(names.queue()),
            DeadLetterQueue::Named(name) => Self::Named(name.clone()),
            DeadLetterQueue::Url(url) => Self::Url(url.clone()),
            DeadLetterQueue::None => Self::None,
        }
    }
}

/// What is sent of a letter. Times are in microseconds since 1970.
#[derive(Debug, Serialize)]
struct Message<'a> {
    letter_id: &'a str,
    id: &'a str,
    peer: &'a str,
    stored_at: i64,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    content: Option<Content<'a>>,
}

/// What a copy has beside a pointer.
#[derive(Debug, Serialize)]
struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    first_failure_at: i64,
    last_failure_at: i64,
    attempts: &'a RawValue,
    envelope: &'a str,
}

/// A copy that can be sent.
pub(crate) struct LetterCopy {
    letter_id: String,
    body: String,
}

impl Copies {
    pub(crate) fn new(connection: Arc<Connection>, names: &Names) -> Self {
        let queue = Queue::of(&connection.settings().dead_letter_queue, names);
        Self {
            connection,
            queue,
            url: OnceCell::new(),
        }
    }

    /// The copy of a document; `None` if it is no letter, or if letters are not copied.
    pub(crate) fn of(&self, document: &Document) -> Option<LetterCopy> {
        if document.address.table != Table::DeadLetters || self.queue == Queue::None {
            return None;
        }
        message(document).ok()
    }

    /// Sends a copy of a letter that has just been stored. If it cannot be sent, that is logged: the letter is safe.
    pub(crate) async fn send(&self, copy: LetterCopy) {
        let LetterCopy { letter_id, body } = copy;
        let sent = timeout(COPY_LIMIT, self.try_send(body)).await;
        let timed_out = || Action::SEND_MESSAGE.failed("timed out", Kind::Unavailable);
        if let Err(error) = sent.unwrap_or_else(|_| Err(timed_out())) {
            tracing::warn!(
                letter_id,
                action = error.action,
                code = error.code,
                kind = %error.kind,
                "a dead letter is stored, but not copied to the queue"
            );
        }
    }

    async fn try_send(&self, body: String) -> Result<(), ServiceError> {
        let Some(url) = self.url().await? else {
            return Ok(());
        };
        self.connection
            .call(Action::SEND_MESSAGE, |aws| {
                let message = aws.sqs.send_message();
                message.queue_url(url).message_body(body).send()
            })
            .await
            .map(drop)
    }

    async fn url(&self) -> Result<Option<&str>, ServiceError> {
        match &self.queue {
            Queue::None => Ok(None),
            Queue::Url(url) => Ok(Some(url)),
            Queue::Named(name) => {
                let url = self.url.get_or_try_init(|| url_of(&self.connection, name));
                url.await.map(|url| Some(url.as_str()))
            }
        }
    }
}

/// The URL of the queue of this name.
pub(crate) async fn url_of(connection: &Connection, name: &str) -> Result<String, ServiceError> {
    let found = connection
        .call(Action::GET_QUEUE_URL, |aws| {
            aws.sqs.get_queue_url().queue_name(name).send()
        })
        .await?;
    let no_url = || Action::GET_QUEUE_URL.failed("a response without a URL", Kind::Unavailable);
    found.queue_url.ok_or_else(no_url)
}

/// A letter as a message; as a pointer to the letter, if it is too large or if its envelope is not text.
fn message(document: &Document) -> Result<LetterCopy, Missing> {
    let fields = &document.fields;
    let letter_id = fields.text_of("letter_id")?;
    let attempts: &RawValue =
        serde_json::from_str(fields.text_of("attempts")?).map_err(|_| Missing("attempts"))?;
    let mut message = Message {
        letter_id,
        id: fields.text_of("id")?,
        peer: fields.text_of("peer")?,
        stored_at: fields.number_of("stored_at")?,
        content: None,
    };
    if let Ok(envelope) = fields.text_of("envelope") {
        message.content = Some(Content {
            trace_id: fields.text_of("trace_id").ok(),
            first_failure_at: fields.number_of("first_failure_at")?,
            last_failure_at: fields.number_of("last_failure_at")?,
            attempts,
            envelope,
        });
    }
    let mut body = json(&message);
    if body.len() > LARGEST_COPY {
        message.content = None;
        body = json(&message);
    }
    Ok(LetterCopy {
        letter_id: letter_id.to_owned(),
        body,
    })
}

/// Text that SQS accepts: it refuses two characters that JSON allows.
fn json(message: &Message<'_>) -> String {
    // Texts and numbers only: it cannot fail.
    let json = serde_json::to_string(message).unwrap_or_default();
    if json.contains(['\u{fffe}', '\u{ffff}']) {
        json.replace('\u{fffe}', "\\ufffe")
            .replace('\u{ffff}', "\\uffff")
    } else {
        json
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};
    use twin_documents::{Address, Fields, Value};

    use super::*;

    fn letter(envelope: Value) -> Document {
        Document {
            address: Address {
                table: Table::DeadLetters,
                partition: "factory-01/dead-letters".to_owned(),
                key: "ab".repeat(32),
            },
            order: "1a".to_owned(),
            queue: Some("1a".to_owned()),
            expires_at: None,
            fields: Fields::default()
                .text("letter_id", "a")
                .text("id", "message-1")
                .text("peer", "writer")
                .text("trace_id", "trace-1")
                .text("attempts", r#"[{"at":1,"cause":"HTTP 503"}]"#)
                .number("first_failure_at", 1)
                .number("last_failure_at", 2)
                .number("stored_at", 3)
                .with("envelope", envelope),
        }
    }

    fn sent(document: &Document) -> Json {
        let copy = message(document).unwrap();
        assert_eq!(copy.letter_id, "a");
        assert!(copy.body.len() <= LARGEST_COPY);
        assert!(!copy.body.contains(['\u{fffe}', '\u{ffff}', '\0']));
        serde_json::from_str(&copy.body).unwrap()
    }

    #[test]
    fn a_copy_has_the_whole_letter() {
        let envelope = "{\"payload\":\"\u{ffff}\u{fffe}\0ü\"}";
        assert_eq!(
            sent(&letter(Value::Text(envelope.to_owned()))),
            json!({
                "letter_id": "a", "id": "message-1", "peer": "writer", "stored_at": 3,
                "trace_id": "trace-1", "first_failure_at": 1, "last_failure_at": 2,
                "attempts": [{"at": 1, "cause": "HTTP 503"}], "envelope": envelope,
            })
        );
    }

    #[test]
    fn what_does_not_fit_into_a_message_is_pointed_to() {
        let pointer = json!({
            "letter_id": "a", "id": "message-1", "peer": "writer", "stored_at": 3,
        });
        let large = Value::Text("x".repeat(LARGEST_COPY));
        assert_eq!(sent(&letter(large)), pointer);
        assert_eq!(sent(&letter(Value::Bytes(vec![255]))), pointer);
    }
}
