//! Group commit: while one batch is being committed, the next one gathers in the queue.
//!
//! Nothing waits for a batch to fill: a single request is written alone, at once.

use std::{collections::VecDeque, sync::Arc};

use tokio::{
    sync::{
        Semaphore,
        mpsc::{self, error::TrySendError},
        oneshot,
    },
    time::Instant,
};
use twin_capabilities::Failure;

use crate::{
    connection::Session,
    error::Trouble,
    pool::{LIMIT, Pool, Work},
};

/// The most requests that wait. Further requests are refused at once, because they would wait too long.
const WAITING: usize = 4096;

/// The number of items or bytes at which a batch is complete.
const ITEMS: usize = 1024;
const BYTES: usize = 4 << 20;

/// Items that are written in batches.
pub(crate) trait Batched: Sized + Send + Sync + 'static {
    /// The outcome of one item.
    type Outcome: Send + 'static;

    /// Its approximate size in bytes.
    fn bytes(&self) -> usize;

    /// Writes all items in one transaction, or none; returns an outcome for each, in order. The write can be repeated
    /// safely.
    fn write(
        items: &[Self],
        session: &Session,
    ) -> impl Future<Output = Result<Vec<Self::Outcome>, Trouble>> + Send;
}

/// The queue in which requests gather.
pub(crate) struct Gathering<I: Batched>(mpsc::Sender<Request<I>>);

type Results<I> = Vec<Result<<I as Batched>::Outcome, Failure>>;

struct Request<I: Batched> {
    items: Vec<I>,
    since: Instant,
    reply: oneshot::Sender<Results<I>>,
}

/// Items that are written together.
struct Batch<I>(Vec<I>);

impl<I: Batched> Work for Batch<I> {
    type Output = Vec<I::Outcome>;

    async fn run(&self, session: &Session) -> Result<Vec<I::Outcome>, Trouble> {
        I::write(&self.0, session).await
    }
}

impl<I: Batched> Gathering<I> {
    /// Starts writing, at most `at_once` batches at a time, until this is dropped and the queue is empty.
    pub(crate) fn start(pool: Pool, at_once: usize) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(gather(pool, at_once, receiver));
        Self(sender)
    }

    /// Writes items; returns a result for each, in order.
    pub(crate) async fn write(&self, items: Vec<I>) -> Results<I> {
        let count = items.len();
        if count == 0 {
            return Vec::new();
        }
        let (reply, results) = oneshot::channel();
        let request = Request {
            items,
            since: Instant::now(),
            reply,
        };
        let refused = match self.0.try_send(request) {
            Ok(()) => "the store did not come to it",
            Err(TrySendError::Full(_)) => return all("the store has too much to do", count),
            Err(TrySendError::Closed(_)) => return all("the store is closed", count),
        };
        results.await.unwrap_or_else(|_| all(refused, count))
    }
}

fn all<T>(why: &str, count: usize) -> Vec<Result<T, Failure>> {
    std::iter::repeat_with(|| Err(Failure::Unavailable(why.to_owned())))
        .take(count)
        .collect()
}

async fn gather<I: Batched>(pool: Pool, at_once: usize, mut requests: mpsc::Receiver<Request<I>>) {
    let turns = Arc::new(Semaphore::new(at_once));
    // First waits until a batch may be written; meanwhile requests gather.
    while let Ok(turn) = Arc::clone(&turns).acquire_owned().await {
        let Some(first) = requests.recv().await else {
            return;
        };
        let mut batch = Vec::new();
        let (mut items, mut bytes) = (0, 0);
        let mut next = Some(first);
        while let Some(request) = next {
            items += request.items.len();
            bytes += request.items.iter().map(I::bytes).sum::<usize>();
            batch.push(request);
            next = if items < ITEMS && bytes < BYTES {
                requests.try_recv().ok()
            } else {
                None
            };
        }
        let pool = pool.clone();
        // In a task of its own, so a panic affects no other batch.
        tokio::spawn(async move {
            serve(&pool, batch).await;
            drop(turn);
        });
    }
}

/// Writes a batch and replies.
async fn serve<I: Batched>(pool: &Pool, batch: Vec<Request<I>>) {
    let mut replies = VecDeque::new();
    let mut items = Vec::new();
    for request in batch {
        // The caller has given up.
        if request.since.elapsed() >= LIMIT {
            let _ = request
                .reply
                .send(all("the store has too much to do", request.items.len()));
            continue;
        }
        replies.push_back((request.items.len(), request.reply));
        items.extend(request.items);
    }
    let mut results = write_chunks(pool, items).await.into_iter();
    for (count, reply) in replies {
        // The caller may be gone; what is stored stays stored.
        let _ = reply.send(results.by_ref().take(count).collect());
    }
}

/// Writes items, with a limited number in each transaction.
async fn write_chunks<I: Batched>(pool: &Pool, mut items: Vec<I>) -> Results<I> {
    let mut results = Vec::with_capacity(items.len());
    while !items.is_empty() {
        let rest = items.split_off(items.len().min(ITEMS));
        results.extend(write(pool, items).await);
        items = rest;
    }
    results
}

async fn write<I: Batched>(pool: &Pool, items: Vec<I>) -> Results<I> {
    let count = items.len();
    let batch = Arc::new(Batch(items));
    match pool.attempt(Arc::clone(&batch)).await {
        Ok(outcomes) if outcomes.len() == count => outcomes.into_iter().map(Ok).collect(),
        Ok(_) => all("the store did not come to it", count),
        Err(trouble) if trouble.is_about_data() && count > 1 => match Arc::into_inner(batch) {
            Some(Batch(items)) => write_alone(pool, items).await,
            None => all("the store did not come to it", count),
        },
        Err(trouble) => {
            let failure = Failure::from(trouble);
            vec![failure; count].into_iter().map(Err).collect()
        }
    }
}

/// Writes each item in its own transaction, so that one that the database refuses does not prevent the others from being
/// stored.
async fn write_alone<I: Batched>(pool: &Pool, items: Vec<I>) -> Results<I> {
    let mut results = Vec::with_capacity(items.len());
    for item in items {
        let written = pool.attempt(Arc::new(Batch(vec![item]))).await;
        results.push(match written.map(|mut outcomes| outcomes.pop()) {
            Ok(Some(outcome)) => Ok(outcome),
            Ok(None) => Err(Failure::Unavailable(
                "the store did not come to it".to_owned(),
            )),
            Err(trouble) => Err(trouble.into()),
        });
    }
    results
}
