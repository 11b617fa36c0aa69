//! Peers that follow a script, and record what they were sent and when.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::time::Instant;
use twin_capabilities::{
    Peers as Sending,
    peers::{Outgoing, Reply, Request, SendFailure},
};

/// A request that a component sent.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The receiver.
    pub peer: String,
    /// The time, in milliseconds since the stage was built.
    pub at_ms: u64,
    /// The request.
    pub request: Request,
    /// How long the sender would wait.
    pub timeout: Duration,
}

impl Arrival {
    /// A header of the request.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.request.headers.iter();
        headers.find_map(|(header, value)| (header == name).then_some(value.as_str()))
    }

    /// The body as text.
    pub fn body(&self) -> String {
        String::from_utf8(self.request.body.clone()).expect("peers are sent text")
    }
}

/// The reaction of a peer to its n-th request (from 0): the delay, and the outcome.
pub type Script = Box<dyn FnMut(usize, &Arrival) -> (Duration, Result<Reply, SendFailure>) + Send>;

/// The peers of a stage. A peer without a script is unknown.
#[derive(Clone)]
pub struct Peers {
    start: Instant,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    scripts: HashMap<String, (usize, Script)>,
    arrivals: Vec<Arrival>,
}

impl Peers {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            inner: Arc::default(),
        }
    }

    /// A script may panic. The host handles this, and the other scripts continue to work.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a peer a script, replacing the previous one.
    pub fn script(
        &self,
        peer: &str,
        script: impl FnMut(usize, &Arrival) -> (Duration, Result<Reply, SendFailure>) + Send + 'static,
    ) {
        let mut inner = self.inner();
        inner.scripts.insert(peer.to_owned(), (0, Box::new(script)));
    }

    /// Gives a peer a script without delays.
    pub fn answer(
        &self,
        peer: &str,
        mut script: impl FnMut(usize, &Arrival) -> Result<Reply, SendFailure> + Send + 'static,
    ) {
        self.script(peer, move |nth, arrival| {
            (Duration::ZERO, script(nth, arrival))
        });
    }

    /// All requests so far.
    pub fn arrivals(&self) -> Vec<Arrival> {
        self.inner().arrivals.clone()
    }

    /// Forgets all requests so far.
    pub fn forget(&self) {
        self.inner().arrivals.clear();
    }

    /// The time of each request, in milliseconds since the stage was built.
    pub fn times_ms(&self) -> Vec<u64> {
        let arrivals = self.arrivals();
        arrivals.iter().map(|arrival| arrival.at_ms).collect()
    }
}

#[async_trait]
impl Sending for Peers {
    async fn send(&self, messages: Vec<Outgoing>) -> Vec<Result<Reply, SendFailure>> {
        join_all(messages.into_iter().map(|message| self.send_one(message))).await
    }
}

impl Peers {
    async fn send_one(&self, message: Outgoing) -> Result<Reply, SendFailure> {
        let Outgoing {
            peer,
            request,
            timeout,
        } = message;
        let (delay, result) = {
            let mut inner = self.inner();
            let Inner { scripts, arrivals } = &mut *inner;
            let Some((count, script)) = scripts.get_mut(peer.as_str()) else {
                return Err(SendFailure::UnknownPeer);
            };
            let at_ms = u64::try_from(self.start.elapsed().as_millis()).unwrap();
            let arrival = Arrival {
                peer: peer.as_str().to_owned(),
                at_ms,
                request,
                timeout,
            };
            let answer = script(*count, &arrival);
            *count += 1;
            arrivals.push(arrival);
            answer
        };
        // As the host's own sender does: the attempt takes at most the given time.
        tokio::time::timeout(timeout, async {
            tokio::time::sleep(delay).await;
            result
        })
        .await
        .unwrap_or(Err(SendFailure::TimedOut))
    }
}
