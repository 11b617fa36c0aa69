//! Copies of dead letters in a queue of SQS.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;
use twin_documents::{Kind, LetterCopies, LetterCopy, ServiceError};

use crate::{
    connection::Connection,
    error::Action,
    settings::{DeadLetterQueue, Names},
};

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
}

impl Queue {
    /// `None` if letters are not copied.
    pub(crate) fn of(configured: &DeadLetterQueue, names: &Names) -> Option<Self> {
        match configured {
            DeadLetterQueue::Own => Some(Self::Named(names.queue())),
            DeadLetterQueue::Named(name) => Some(Self::Named(name.clone())),
            DeadLetterQueue::Url(url) => Some(Self::Url(url.clone())),
            DeadLetterQueue::None => None,
        }
    }
}

impl Copies {
    pub(crate) fn new(connection: Arc<Connection>, queue: Queue) -> Self {
        Self {
            connection,
            queue,
            url: OnceCell::new(),
        }
    }

    async fn url(&self) -> Result<&str, ServiceError> {
        match &self.queue {
            Queue::Url(url) => Ok(url),
            Queue::Named(name) => {
                let url = self.url.get_or_try_init(|| url_of(&self.connection, name));
                url.await.map(String::as_str)
            }
        }
    }
}

#[async_trait]
impl LetterCopies for Copies {
    async fn send(&self, copy: &LetterCopy) -> Result<(), ServiceError> {
        let (url, body) = (self.url().await?, message(copy));
        self.connection
            .call(Action::SEND_MESSAGE, |aws| {
                let message = aws.sqs.send_message();
                message.queue_url(url).message_body(body).send()
            })
            .await
            .map(drop)
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

/// A letter as a message; as a pointer to the letter, if it is too large.
fn message(copy: &LetterCopy) -> String {
    let whole = accepted(copy.json());
    if whole.len() <= LARGEST_COPY {
        whole
    } else {
        accepted(copy.pointer_json())
    }
}

/// JSON that SQS accepts: it refuses two characters that JSON allows.
fn accepted(json: String) -> String {
    if json.contains(['\u{fffe}', '\u{ffff}']) {
        json.replace('\u{fffe}', "\\ufffe")
            .replace('\u{ffff}', "\\uffff")
    } else {
        json
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;
    use twin_capabilities::testing::samples::letter;

    use super::*;

    fn sent(envelope: &str) -> Json {
        let mut letter = letter("a");
        letter.envelope = envelope.as_bytes().to_vec();
        let body = message(&LetterCopy {
            letter,
            stored_at: 3,
        });
        assert!(body.len() <= LARGEST_COPY);
        assert!(!body.contains(['\u{fffe}', '\u{ffff}', '\0']));
        let sent: Json = serde_json::from_str(&body).unwrap();
        assert_eq!(sent["letter_id"], "a");
        sent
    }

    #[test]
    fn a_message_has_only_characters_that_sqs_accepts() {
        let envelope = "{\"payload\":\"\u{ffff}\u{fffe}\0ü\"}";
        assert_eq!(sent(envelope)["envelope"], envelope);
    }

    #[test]
    fn what_does_not_fit_into_a_message_is_pointed_to() {
        // It fits before two of its characters are written as six.
        let longer = "\u{ffff}".repeat(LARGEST_COPY / 4);
        for large in ["x".repeat(LARGEST_COPY), longer] {
            let pointer = sent(&large);
            assert_eq!(pointer["stored_at"], 3);
            assert_eq!(pointer.get("envelope"), None);
        }
    }
}
