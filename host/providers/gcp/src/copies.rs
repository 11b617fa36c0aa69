//! Copies of dead letters in Pub/Sub.

use async_trait::async_trait;
use twin_documents::{COPY_LIMIT, LetterCopies, LetterCopy, ServiceError};

use crate::pubsub::{Message, Topic};

/// Where the copies go.
#[derive(Debug)]
pub(crate) struct Copies(pub(crate) Topic);

#[async_trait]
impl LetterCopies for Copies {
    /// Publishes the letter's envelope, as every attempt to deliver it sent it. It always fits: a document has at most 1 MiB, and a
    /// message 10 MB.
    async fn send(&self, LetterCopy { letter, .. }: &LetterCopy) -> Result<(), ServiceError> {
        let message = Message {
            data: letter.envelope.clone(),
            attributes: [
                ("letter_id", letter.letter_id.clone()),
                ("id", letter.id.clone()),
                ("peer", letter.peer.clone()),
            ],
        };
        self.0.publish(message, COPY_LIMIT).await
    }
}
