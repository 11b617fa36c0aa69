//! A bounded queue of jobs between the async runtime and the database, and the threads that do them.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use twin_capabilities::types::Failure;
use twin_tasks::enduring;

use super::LocalError;

/// The most jobs that wait. Further jobs are refused at once, because they would wait too long.
const WAITING: usize = 4096;

/// The receiving end of the queue, shared by the threads of a crew.
pub(super) struct Queue<J>(Mutex<Receiver<J>>);

impl<J> Queue<J> {
    /// Waits for a job; `None` when no more can come.
    pub(super) fn next(&self) -> Option<J> {
        self.jobs(|jobs| jobs.recv().ok())
    }

    /// Waits for a job, for a limited time. `Err` when no more can come, `Ok(None)` if none came in time.
    pub(super) fn next_within(&self, patience: Duration) -> Result<Option<J>, RecvTimeoutError> {
        let jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match jobs.recv_timeout(patience) {
            Ok(job) => Ok(Some(job)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(closed) => Err(closed),
        }
    }

    /// A job that is already waiting, if any.
    pub(super) fn next_waiting(&self) -> Option<J> {
        self.jobs(|jobs| jobs.try_recv().ok())
    }

    fn jobs(&self, receive: impl FnOnce(&Receiver<J>) -> Option<J>) -> Option<J> {
        receive(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Threads that do the jobs of one queue. Dropping it waits until the queue is empty.
pub(super) struct Crew<J> {
    jobs: Option<SyncSender<J>>,
    threads: Vec<JoinHandle<()>>,
}

impl<J: Send + 'static> Crew<J> {
    /// Starts one thread for each tool, which takes jobs from the queue until no more can come. A job that panics is lost,
    /// but no other job is; its tool must be in a consistent state afterwards.
    pub(super) fn start<T: Send + 'static>(
        name: &str,
        tools: impl IntoIterator<Item = T>,
        work: fn(&mut T, &Queue<J>),
    ) -> Result<Self, LocalError> {
        let (sender, receiver) = sync_channel(WAITING);
        let queue = Arc::new(Queue(Mutex::new(receiver)));
        let threads = tools
            .into_iter()
            .map(|mut tool| {
                let queue = Arc::clone(&queue);
                thread::Builder::new()
                    .name(name.to_owned())
                    .spawn(move || enduring::until_done(|| work(&mut tool, &queue)))
            })
            .collect::<Result<_, _>>()
            .map_err(LocalError::NoThread)?;
        Ok(Self {
            jobs: Some(sender),
            threads,
        })
    }

    /// Puts a job into the queue, unless it is full or closed. Never blocks.
    pub(super) fn hand(&self, job: J) -> Result<(), Failure> {
        let refusal = match self.jobs.as_ref().map(|jobs| jobs.try_send(job)) {
            Some(Ok(())) => return Ok(()),
            Some(Err(TrySendError::Full(_))) => "the store has too much to do",
            Some(Err(TrySendError::Disconnected(_))) | None => "the store is closed",
        };
        Err(Failure::Unavailable(refusal.to_owned()))
    }
}

impl<J> Drop for Crew<J> {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // The thread does not panic: it catches the panics of jobs.
            let _ = thread.join();
        }
    }
}
