//! Notifications from other hosts: a notice of the database wakes the tasks that forward system errors. It carries no data:
//! the events are in the table, and a task that misses a notice looks there a little later anyway.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    task::AbortHandle,
    time::{sleep, timeout},
};

use crate::connection::{Place, Session};

/// The channel of the database, for all twins in it.
pub(crate) const CHANNEL: &str = "twin_outbox";

/// The pause between two attempts to listen again.
const PAUSE: Duration = Duration::from_secs(2);

/// How often a connection that only listens is checked.
const LOOK: Duration = Duration::from_secs(30);

/// Wakes the forwarder when a notice arrives.
#[derive(Clone, Debug)]
pub(crate) struct Bell {
    /// The twin's name as it is stored in the tables.
    twin: Arc<str>,
    rung: Arc<Notify>,
}

impl Bell {
    pub(crate) fn new(twin: &str) -> Self {
        Self {
            twin: crate::text::escaped(twin).into(),
            rung: Arc::default(),
        }
    }

    /// Wakes the forwarder, if the notice is about this twin's outbox.
    pub(crate) fn ring(&self, twin: &str) {
        if *self.twin == *twin {
            self.rung.notify_one();
        }
    }

    /// Waits for the next notice.
    pub(crate) async fn rung(&self) {
        self.rung.notified().await;
    }
}

/// A task that listens until this is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) bell: Bell,
    task: AbortHandle,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    pub(crate) fn start(place: Arc<Place>) -> Self {
        let bell = Bell::new(&place.home().twin);
        let task = tokio::spawn(listen(place, bell.clone())).abort_handle();
        Self { bell, task }
    }
}

async fn listen(place: Arc<Place>, bell: Bell) {
    loop {
        match place.connect(Some(bell.clone())).await {
            Ok(session) => watch(&session, &bell).await,
            Err(error) => tracing::debug!(%error, "not listening to the database"),
        }
        sleep(PAUSE).await;
    }
}

/// Ends when the connection is lost.
async fn watch(session: &Session, bell: &Bell) {
    if session.batch(&format!("LISTEN {CHANNEL}")).await.is_err() {
        return;
    }
    // Something may have been published while this did not listen.
    bell.rung.notify_one();
    while !session.is_spent() {
        sleep(LOOK).await;
        if !matches!(timeout(PAUSE, session.batch("SELECT 1")).await, Ok(Ok(()))) {
            return;
        }
    }
}
