//! The open connections. Their number is limited, and those that have been idle longest are closed to make room for others.

use std::{collections::HashMap, sync::Arc};

use tokio::task::{Id, JoinSet};

use super::link::Link;
use crate::telemetry::metrics;

/// Open connections, each in a task of its own. When this is dropped they are closed.
pub(super) struct Connections {
    limit: usize,
    tasks: JoinSet<()>,
    links: HashMap<Id, Arc<Link>>,
}

impl Connections {
    /// Allows `limit` connections, and at least one.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: limit.max(1),
            tasks: JoinSet::new(),
            links: HashMap::new(),
        }
    }

    /// Whether another connection is allowed.
    pub(super) fn has_room(&self) -> bool {
        self.links.len() < self.limit
    }

    /// Serves another connection.
    pub(super) fn add(
        &mut self,
        link: Arc<Link>,
        serving: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = self.tasks.spawn(serving);
        self.links.insert(task.id(), link);
    }

    /// Resolves when a connection has ended; never if there are none.
    pub(super) async fn ended(&mut self) {
        let ended = match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => std::future::pending().await,
        };
        self.links.remove(&ended);
    }

    /// Resolves when all connections have ended.
    pub(super) async fn all_ended(&mut self) {
        while !self.tasks.is_empty() {
            self.ended().await;
        }
    }

    /// If nine tenths are in use, asks the connection that has been idle longest to close.
    pub(super) fn make_room(&self) {
        let many = |open: usize| open * 10 >= self.limit * 9;
        if many(self.links.len()) {
            let staying = self.links.values().filter(|link| !link.is_leaving());
            if many(staying.count()) {
                self.close_longest_idle();
            }
        }
    }

    /// Asks the connection that has been idle longest to close.
    pub(super) fn close_longest_idle(&self) {
        let idle = self.links.values().filter(|link| link.may_leave());
        if let Some(link) = idle.max_by_key(|link| link.idle()) {
            metrics::connection_closed("room");
            tracing::warn!(
                open = self.links.len(),
                limit = self.limit,
                "close to MAX_CONNECTIONS: closing the connection that has been idle longest"
            );
            link.make_room();
        }
    }
}
