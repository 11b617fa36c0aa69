//! What a cloud's platform could not deliver to a function, and keeps in a dead-letter queue of its own.
//!
//! Only a host's operator reads such a queue. The functions never see it.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;

use crate::types::{Failure, Instant};

/// A message of a dead-letter queue. It may hold several events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// What the platform calls it: a message's id, or a blob's name. It is the same each time that the message is taken.
    pub id: String,
    /// Its content, as the platform stored it.
    pub body: Vec<u8>,
    /// What the platform says of it beside the content: the attributes of a message.
    pub attributes: BTreeMap<String, String>,
    /// When the platform put it into the queue, if it says.
    pub since: Option<Instant>,
    /// Proves to the queue that this is the message that was taken. Only the queue reads it.
    pub receipt: String,
}

/// A dead-letter queue of a platform. Several commands may read it at once: none of them loses a message, and two may get the same one.
#[async_trait]
pub trait UndeliveredQueue: Send + Sync {
    /// Takes at most `limit` messages, at least one if there is one that was not taken yet. Where the service can hide what was taken
    /// from others, it does so for `hold`, or for as long as it permits; after that, the message may be taken again. An empty list
    /// is the end.
    ///
    /// # Errors
    /// The service's failure. What was taken shows up again.
    async fn take(&self, limit: u32, hold: Duration) -> Result<Vec<Undelivered>, Failure>;

    /// Removes a message. One that is not there any more counts as removed.
    ///
    /// # Errors
    /// The service's failure, or that the message is not the one that was taken. It stays in the queue.
    async fn remove(&self, message: &Undelivered) -> Result<(), Failure>;

    /// Shows messages to others again, before their time is over.
    ///
    /// # Errors
    /// The service's failure. They show up again later.
    async fn release(&self, messages: &[Undelivered]) -> Result<(), Failure>;
}
