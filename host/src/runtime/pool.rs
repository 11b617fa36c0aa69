//! The instances of one function, and the queues in front of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, timeout},
};
use wasmtime::component::Linker;

use super::{
    Image, RuntimeError, RuntimeSettings, Sandbox, Time, door,
    lane::Lane,
    state::State,
    worker::{self, Ended},
};
use crate::{
    bindings::FunctionsPre,
    function::{CallError, FunctionName, Request, Response},
    imports::Capabilities,
};

/// What the host waits beyond a call's deadline: the component is to answer, the host only to notice if it does not.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// A call on its way to an instance.
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) answer: oneshot::Sender<Response>,
    pub(super) overdue: Instant,
    /// Held until the instance is done with the call, even if nobody waits for the answer any more.
    pub(super) _permit: OwnedSemaphorePermit,
}

/// What all workers of a function share.
pub(super) struct Shared {
    pub(super) sandbox: Sandbox,
    pub(super) function: FunctionName,
    pub(super) component: FunctionsPre<State>,
    pub(super) capabilities: Arc<Capabilities>,
    pub(super) time: Time,
    pub(super) calls_per_instance: u64,
    pub(super) longest_computation: Duration,
}

/// One function, running.
pub(super) struct Pool {
    function: FunctionName,
    digest: String,
    deadline: Duration,
    /// One for each lane, in their order. The permits bound them: a call without one is refused at once.
    queues: Vec<async_channel::Sender<Job>>,
    /// Moves on with each call, so that lanes with equal queues take turns.
    turn: AtomicUsize,
    permits: Arc<Semaphore>,
    /// Closed when the last worker has ended.
    ended: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

impl Pool {
    /// Links the component to the host and starts its workers. The first instance is made before this returns, so that what
    /// cannot run is known now.
    pub(super) async fn start(
        sandbox: &Sandbox,
        settings: &RuntimeSettings,
        lanes: &[Lane],
        image: Image,
        time: Time,
        capabilities: Arc<Capabilities>,
    ) -> Result<Self, RuntimeError> {
        let function = image.function;
        let failed = |source| RuntimeError::Instantiation { function, source };
        let component = link(sandbox, &image).map_err(failed)?;
        let shared = Arc::new(Shared {
            sandbox: sandbox.clone(),
            function,
            component,
            capabilities,
            time,
            calls_per_instance: settings.calls_per_instance,
            longest_computation: settings.longest_computation,
        });
        worker::Worker::new(&shared).await.map_err(failed)?;
        let (alive, ended) = mpsc::channel(1);
        let mut queues = Vec::with_capacity(lanes.len());
        for lane in lanes {
            let (sender, queue) = async_channel::unbounded();
            queues.push(sender);
            lane.spawn(keep_one_running(
                Arc::clone(&shared),
                queue,
                lane.clone(),
                alive.clone(),
            ));
        }
        Ok(Self {
            function,
            digest: image.digest,
            deadline: settings.deadline,
            queues,
            turn: AtomicUsize::new(0),
            permits: Arc::new(Semaphore::new(settings.concurrent_calls)),
            ended: tokio::sync::Mutex::new(ended),
        })
    }

    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// See [`crate::function::Functions::call`].
    pub(super) async fn call(&self, request: Request) -> Result<Response, CallError> {
        let function = self.function;
        let permit = Arc::clone(&self.permits)
            .try_acquire_owned()
            .map_err(|_| CallError::Overloaded(function))?;
        let (answer, answered) = oneshot::channel();
        let after = self.deadline + GRACE;
        let job = Job {
            request,
            answer,
            overdue: Instant::now() + after,
            _permit: permit,
        };
        // The queues are closed only while the host stops.
        self.queue()
            .and_then(|queue| queue.try_send(job).ok())
            .ok_or(CallError::Overloaded(function))?;
        match timeout(after, answered).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(_)) => Err(CallError::InstanceLost(function)),
            Err(_) => Err(CallError::DeadlineExceeded { function, after }),
        }
    }

    /// Where a call waits: in the lane that it comes from, else in the one with the shortest queue.
    fn queue(&self) -> Option<&async_channel::Sender<Job>> {
        let here = Lane::current().and_then(|number| self.queues.get(number));
        here.or_else(|| {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let (before, from) = self.queues.split_at(turn % self.queues.len().max(1));
            from.iter().chain(before).min_by_key(|queue| queue.len())
        })
    }

    /// Takes no more calls; the workers end when they have answered what they have.
    pub(super) fn close(&self) {
        for queue in &self.queues {
            queue.close();
        }
    }

    /// Resolves when all workers have ended.
    pub(super) async fn ended(&self) {
        // Nothing is ever sent: the channel closes with its last sender.
        let _ = self.ended.lock().await.recv().await;
    }
}

fn link(sandbox: &Sandbox, image: &Image) -> wasmtime::Result<FunctionsPre<State>> {
    let mut linker = Linker::<State>::new(&sandbox.engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::clocks::add_to_linker(&mut linker)?;
    wasmtime_wasi::p3::random::add_to_linker(&mut linker)?;
    crate::imports::add_to_linker(&mut linker)?;
    door::wall_up(&mut linker, &sandbox.engine, &image.component)?;
    FunctionsPre::new(linker.instantiate_pre(&image.component)?)
}

/// Keeps one worker running in a lane: after a trap, after its last call, until the queue is closed.
async fn keep_one_running(
    shared: Arc<Shared>,
    queue: async_channel::Receiver<Job>,
    lane: Lane,
    alive: mpsc::Sender<()>,
) {
    loop {
        let worker = match worker::Worker::new(&shared).await {
            Ok(worker) => worker,
            Err(error) => {
                // It went well once, so it is memory or the like that is short now.
                tracing::error!(
                    function = shared.function.as_str(),
                    error = format!("{error:#}"),
                    "no instance"
                );
                if queue.is_closed() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let (retire, retired) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        lane.spawn({
            let (queue, alive) = (queue.clone(), alive.clone());
            async move {
                // Nobody to tell means that a successor has taken over.
                let _ = end.send(worker.run(queue, retire).await);
                drop(alive);
            }
        });
        // Whoever retires still answers what it has; its successor starts now.
        if retired.await.is_ok() {
            continue;
        }
        match ended.await {
            Ok(Ended::QueueClosed) => return,
            Ok(Ended::Trapped) | Err(_) => {
                metrics::counter!("twin_instances_lost_total", "function" => shared.function.as_str())
                    .increment(1);
            }
        }
    }
}
