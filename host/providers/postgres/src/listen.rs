//! News from other hosts: a notice of the database wakes those who forward system errors. It carries nothing: what there is to
//! forward is in the table, and whoever misses a notice looks there anyway, a little later.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::Notify,
    task::AbortHandle,
    time::{sleep, timeout},
};

use crate::connection::{Place, Session};

/// The channel of the database, for all twins in it.
pub(crate) const CHANNEL: &str = "twin_outbox";

/// Between two attempts to listen again.
const PAUSE: Duration = Duration::from_secs(2);

/// How often a connection that only listens is asked whether it still is one.
const LOOK: Duration = Duration::from_secs(30);

/// What a notice rings.
#[derive(Clone, Debug)]
pub(crate) struct Bell {
    /// As it is in the tables.
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

    /// Rings, if it was this twin's outbox that got something.
    pub(crate) fn ring(&self, twin: &str) {
        if *self.twin == *twin {
            self.rung.notify_one();
        }
    }

    /// Waits until it rings.
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
    // Something may have been published while nobody listened.
    bell.rung.notify_one();
    while !session.is_spent() {
        sleep(LOOK).await;
        if !matches!(timeout(PAUSE, session.batch("SELECT 1")).await, Ok(Ok(()))) {
            return;
        }
    }
}
