//! The interface `error-topic` in memory: the outbox from which the host forwards system errors.

use std::{ops::Range, time::Duration};

use async_trait::async_trait;
use twin_capabilities::{
    ErrorTopic, Outbox,
    error_topic::{Event, SystemError},
    provider::later,
    types::{Failure, Instant},
};
use uuid::Uuid;

use super::Store;

/// Events in the order of publishing.
pub(super) type Events = Vec<Kept>;

/// An event, with the beginning and the end of its lease.
pub(super) struct Kept {
    event: Event,
    leased: Option<Range<Instant>>,
}

impl Kept {
    fn is_leased(&self, now: Instant) -> bool {
        self.leased
            .as_ref()
            .is_some_and(|leased| leased.contains(&now))
    }
}

#[async_trait]
impl ErrorTopic for Store {
    async fn publish(&self, error: SystemError) -> Result<(), Failure> {
        self.error_topic.open()?.push(Kept {
            event: Event {
                id: Uuid::now_v7().to_string(),
                error,
                attempts: 0,
            },
            leased: None,
        });
        Ok(())
    }
}

#[async_trait]
impl Outbox for Store {
    async fn pending(&self, limit: u32, lease: Duration) -> Result<Vec<Event>, Failure> {
        let mut outbox = self.error_topic.open()?;
        let now = (self.clock)();
        Ok(outbox
            .iter_mut()
            .filter(|kept| !kept.is_leased(now))
            .take(usize::try_from(limit).unwrap_or(usize::MAX))
            .map(|kept| {
                kept.leased = Some(now..later(now, lease));
                kept.event.attempts += 1;
                kept.event.clone()
            })
            .collect())
    }

    async fn settle(&self, event_id: String) -> Result<(), Failure> {
        self.error_topic
            .open()?
            .retain(|kept| kept.event.id != event_id);
        Ok(())
    }

    async fn release(&self, event_id: String) -> Result<(), Failure> {
        let mut outbox = self.error_topic.open()?;
        if let Some(kept) = outbox.iter_mut().find(|kept| kept.event.id == event_id) {
            kept.leased = None;
        }
        Ok(())
    }
}
