//! One twin's stores together.

use std::sync::Arc;

use crate::{Circuits, DeadLetters, ErrorTopic, Health, Outbox, Records, Statistics};

/// One twin's stores, as a provider opened them. Clones share them.
#[derive(Clone)]
pub struct Stores {
    /// Received messages.
    pub records: Arc<dyn Records>,
    /// Messages that could not be delivered.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// Where system errors are published.
    pub error_topic: Arc<dyn ErrorTopic>,
    /// System errors that the host has to forward; `None` if the topic delivers by itself.
    pub outbox: Option<Arc<dyn Outbox>>,
    /// The circuit breakers' shared state.
    pub circuits: Arc<dyn Circuits>,
    /// Whether the stores work.
    pub health: Arc<dyn Health>,
    /// How much data there is.
    pub statistics: Arc<dyn Statistics>,
}

impl Stores {
    /// The stores from one object that implements all of them, and that keeps system errors until the host has forwarded
    /// them.
    #[must_use]
    pub fn of<S>(store: &Arc<S>) -> Self
    where
        S: Records + DeadLetters + ErrorTopic + Outbox + Circuits + Health + Statistics,
    {
        Self {
            records: store.clone(),
            dead_letters: store.clone(),
            error_topic: store.clone(),
            outbox: Some(store.clone()),
            circuits: store.clone(),
            health: store.clone(),
            statistics: store.clone(),
        }
    }
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Stores").finish_non_exhaustive()
    }
}
