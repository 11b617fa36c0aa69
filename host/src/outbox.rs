//! From the outbox to the error reporter: delivers what the components published, at least once.
//!
//! Publishing ends when an error is in the outbox. This task delivers it to the error reporter of this host, or to the one
//! that `REMOTE_ERROR_REPORTER_URL` names. Without either, errors wait in the outbox, which is durable.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};
use twin_contract::reply::{Custody, is_refused_for_good};
use twin_tasks::enduring;

use crate::providers::{ErrorTopic, Event, Outbox};
use twin_capabilities::{
    Peers,
    error_topic::SystemError,
    peers::{Outgoing, Peer, Request, SendFailure},
    types::Failure,
};

/// Events taken from the outbox at once.
const BATCH: u32 = 16;
/// How long this process holds the lease on an event, and so how long the event waits if the process is killed. At worst, a
/// batch that takes longer is delivered twice; the reporter recognizes events by their ids.
const LEASE: Duration = Duration::from_secs(10);
/// How long one delivery may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait for a notification before looking anyway, because another process may have published.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// The first and the longest wait after a failure. The wait doubles in between.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// An error topic that notifies the forwarder when something is published.
struct Announced {
    topic: Arc<dyn ErrorTopic>,
    published: Arc<Notify>,
}

#[async_trait]
impl ErrorTopic for Announced {
    async fn publish(&self, error: SystemError) -> Result<(), Failure> {
        self.topic.publish(error).await?;
        self.published.notify_one();
        Ok(())
    }
}

/// Delivers what is in the outbox.
pub struct Forwarder {
    outbox: Arc<dyn Outbox>,
    published: Arc<Notify>,
    peers: Arc<dyn Peers>,
}

impl fmt::Debug for Forwarder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Forwarder").finish_non_exhaustive()
    }
}

/// The outcome of a round.
enum Round {
    /// Everything was delivered.
    Empty,
    /// There may be more.
    More,
    /// The reporter or the store is not available.
    Failed,
    /// There is no reporter.
    Unbound,
}

/// The outcome of an event.
enum Delivery {
    /// The reporter has it, or will never accept it.
    Done,
    Failed,
    Unbound,
}

impl Forwarder {
    /// Delivers from this outbox, through these peers.
    pub fn new(outbox: Arc<dyn Outbox>, peers: Arc<dyn Peers>) -> Self {
        Self {
            outbox,
            published: Arc::default(),
            peers,
        }
    }

    /// The same topic, which wakes this forwarder when something is published.
    pub fn announced(&self, topic: Arc<dyn ErrorTopic>) -> Arc<dyn ErrorTopic> {
        Arc::new(Announced {
            topic,
            published: Arc::clone(&self.published),
        })
    }

    /// Delivers until `stop` becomes true.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        tokio::select! {
            () = self.forward() => {}
            // An error means that the sender of `stop` is gone. Leased events become free when the lease ends.
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn forward(&self) {
        let mut wait = BACKOFF.0;
        loop {
            // If a round panics, the events that it leased become free when the lease ends.
            let round = enduring::unless_panic(self.round()).await;
            match round.unwrap_or(Round::Failed) {
                Round::More => {}
                Round::Empty => {
                    wait = BACKOFF.0;
                    tokio::select! {
                        () = self.published.notified() => {}
                        () = self.outbox.published() => {}
                        () = sleep(LOOK_AGAIN) => {}
                    }
                }
                Round::Failed => {
                    sleep(wait).await;
                    wait = (wait * 2).min(BACKOFF.1);
                }
                // Bindings do not change while a host runs.
                Round::Unbound => std::future::pending().await,
            }
        }
    }

    async fn round(&self) -> Round {
        let events = match self.outbox.pending(BATCH, LEASE).await {
            Ok(events) => events,
            Err(failure) => {
                tracing::warn!(?failure, "outbox not readable");
                return Round::Failed;
            }
        };
        if events.is_empty() {
            return Round::Empty;
        }
        let mut events = events.into_iter();
        while let Some(event) = events.next() {
            let failed = match self.deliver(&event).await {
                // If this fails, the reporter gets the event twice, and recognizes it by its id.
                Delivery::Done => self
                    .outbox
                    .settle(event.id)
                    .await
                    .err()
                    .map(|_| Round::Failed),
                Delivery::Failed => Some(self.give_back(event).await),
                Delivery::Unbound => {
                    self.give_back(event).await;
                    Some(Round::Unbound)
                }
            };
            if let Some(failed) = failed {
                for event in events {
                    self.give_back(event).await;
                }
                return failed;
            }
        }
        Round::More
    }

    async fn give_back(&self, event: Event) -> Round {
        // If this fails, the lease ends by itself.
        let _ = self.outbox.release(event.id).await;
        Round::Failed
    }

    async fn deliver(&self, event: &Event) -> Delivery {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request = Request {
            method: "POST".to_owned(),
            query: String::new(),
            headers: vec![
                header("content-type", "application/json"),
                header("idempotency-key", &event.id),
            ],
            body: event.error.to_json(),
        };
        let message = Outgoing {
            peer: Peer::ErrorReporter,
            request,
            timeout: TIMEOUT,
        };
        let sent = self.peers.send(vec![message]).await.pop();
        match sent.unwrap_or(Err(SendFailure::UnknownPeer)) {
            Ok(reply) if Custody::of_reply(reply.status, &reply.body).is_some() => Delivery::Done,
            Ok(reply) if is_refused_for_good(reply.status, &reply.body) => {
                // It will never be accepted, and must not block the others.
                tracing::error!(
                    id = event.id,
                    status = reply.status,
                    error_code = event.error.error_code,
                    message = event.error.message,
                    "system error refused by the error reporter"
                );
                Delivery::Done
            }
            Ok(reply) => {
                tracing::warn!(status = reply.status, "system error not delivered");
                Delivery::Failed
            }
            Err(SendFailure::UnknownPeer) => Delivery::Unbound,
            Err(failure) => {
                tracing::warn!(?failure, "system error not delivered");
                Delivery::Failed
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    };

    use twin_capabilities::error_topic::Severity;
    use twin_contract::reply::Custody;

    use super::*;
    use crate::providers::memory::Memory;
    use twin_capabilities::peers::Reply;

    /// A reporter whose peer panics this many times, and then accepts what it is sent.
    struct Reporter {
        panics: AtomicU32,
        taken: Mutex<Vec<String>>,
    }

    #[async_trait]
    impl Peers for Reporter {
        async fn send(&self, messages: Vec<Outgoing>) -> Vec<Result<Reply, SendFailure>> {
            let left = self.panics.load(Ordering::SeqCst);
            self.panics.store(left.saturating_sub(1), Ordering::SeqCst);
            assert_eq!(left, 0, "as it should");
            let messages = messages.into_iter();
            messages.map(|message| Ok(self.take(message))).collect()
        }
    }

    impl Reporter {
        fn take(&self, message: Outgoing) -> Reply {
            let ids = message.request.headers.into_iter();
            let id = ids
                .filter_map(|(name, id)| (name == "idempotency-key").then_some(id))
                .collect::<String>();
            let body = Custody::Received.body(&id);
            self.taken.lock().unwrap().push(id);
            Reply {
                status: 200,
                headers: Vec::new(),
                body,
            }
        }
    }

    fn error(code: &str) -> SystemError {
        SystemError {
            twin_id: "twin".into(),
            cloud_provider: "aws".into(),
            severity: Severity::Warning,
            component: "L1-Connector".into(),
            error_code: code.into(),
            message: "message".into(),
            timestamp: "2026-01-01T00:00:00Z".into(),
            raw_data: None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_on_the_way_does_not_end_forwarding() {
        // With a clock that stands still, an event that was being delivered during a panic stays leased.
        let stores = Memory::new(Arc::new(|| 0)).stores();
        let reporter = Arc::new(Reporter {
            panics: AtomicU32::new(3),
            taken: Mutex::default(),
        });
        let (_stop, stopped) = watch::channel(false);
        let forwarder = Forwarder::new(stores.outbox.unwrap(), reporter.clone());
        let topic = forwarder.announced(stores.error_topic);
        tokio::spawn(forwarder.run(stopped));
        for code in ["A", "B", "C", "D"] {
            topic.publish(error(code)).await.unwrap();
            sleep(BACKOFF.1).await;
        }
        assert_eq!(reporter.taken.lock().unwrap().len(), 1);
    }
}
