//! A copy of each new dead letter in Pub/Sub, for whatever watches there. The letters that count are those in Firestore: replay
//! takes them from there, and settles them there.

use std::time::Duration;

use twin_documents::{Document, Table};

use crate::pubsub::{Message, Topic};

/// The longest that a copy may take. The sender of the message waits for it, and its letter is stored already.
const LIMIT: Duration = Duration::from_millis(500);

/// Where the copies go.
#[derive(Debug)]
pub(crate) struct Copies(pub(crate) Topic);

/// A copy that is ready to be sent.
#[derive(Debug)]
pub(crate) struct LetterCopy(Message<3>);

impl Copies {
    /// The copy of a document, if it is a letter: its envelope, as every attempt to deliver it sent it. It always fits: a document
    /// has at most 1 MiB, and a message 10 MB.
    pub(crate) fn prepare(&self, document: &Document) -> Option<LetterCopy> {
        if document.address.table != Table::DeadLetters {
            return None;
        }
        let fields = &document.fields;
        let text = |name: &'static str| Some((name, fields.text_of(name).ok()?.to_owned()));
        Some(LetterCopy(Message {
            data: fields.bytes_of("envelope").ok()?.to_vec(),
            attributes: [text("letter_id")?, text("id")?, text("peer")?],
        }))
    }

    /// Sends a copy of a letter that has been stored. A failure is logged: it must not fail the letter.
    pub(crate) async fn send(&self, LetterCopy(message): LetterCopy) {
        let [(_, letter_id), _, (_, peer)] = message.attributes.clone();
        if let Err(error) = self.0.publish(message, LIMIT).await {
            tracing::warn!(letter_id, peer, %error, "a dead letter was stored, but not copied to Pub/Sub");
        }
    }
}
