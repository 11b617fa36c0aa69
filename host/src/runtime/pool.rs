//! The instances of one function, and the queue in front of them.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, timeout},
};
use wasmtime::component::Linker;

use super::{
    Image, RuntimeError, RuntimeSettings, Sandbox, Time, door,
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
    pub(super) queue: async_channel::Receiver<Job>,
    pub(super) calls_at_once: usize,
    pub(super) calls_per_instance: u64,
    pub(super) longest_computation: Duration,
}

/// One function, running.
pub(super) struct Pool {
    function: FunctionName,
    digest: String,
    deadline: Duration,
    queue: async_channel::Sender<Job>,
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
        image: Image,
        time: Time,
        capabilities: Arc<Capabilities>,
    ) -> Result<Self, RuntimeError> {
        let function = image.function;
        let failed = |source| RuntimeError::Instantiation { function, source };
        let component = link(sandbox, &image).map_err(failed)?;
        // The permits bound the queue: a call without one is refused at once.
        let (sender, queue) = async_channel::unbounded();
        let instances = settings.instances.max(1);
        let shared = Arc::new(Shared {
            sandbox: sandbox.clone(),
            function,
            component,
            capabilities,
            time,
            queue,
            calls_at_once: settings.concurrent_calls.div_ceil(instances),
            calls_per_instance: settings.calls_per_instance,
            longest_computation: settings.longest_computation,
        });
        worker::Worker::new(&shared).await.map_err(failed)?;
        let (alive, ended) = mpsc::channel(1);
        for _ in 0..instances {
            tokio::spawn(keep_one_running(Arc::clone(&shared), alive.clone()));
        }
        Ok(Self {
            function,
            digest: image.digest,
            deadline: settings.deadline,
            queue: sender,
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
        // The queue is closed only while the host stops.
        let queued = self.queue.send(job).await;
        queued.map_err(|_| CallError::Overloaded(function))?;
        match timeout(after, answered).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(_)) => Err(CallError::InstanceLost(function)),
            Err(_) => Err(CallError::DeadlineExceeded { function, after }),
        }
    }

    /// Takes no more calls; the workers end when they have answered what they have.
    pub(super) fn close(&self) {
        self.queue.close();
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

/// Keeps one worker running: after a trap, after its last call, until the queue is closed.
async fn keep_one_running(shared: Arc<Shared>, alive: mpsc::Sender<()>) {
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
                if shared.queue.is_closed() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let (retire, retired) = oneshot::channel();
        let running = tokio::spawn({
            let alive = alive.clone();
            async move {
                let ended = worker.run(retire).await;
                drop(alive);
                ended
            }
        });
        // Whoever retires still answers what it has; its successor starts now.
        if retired.await.is_ok() {
            continue;
        }
        match running.await {
            Ok(Ended::QueueClosed) => return,
            Ok(Ended::Trapped) | Err(_) => {
                metrics::counter!("twin_instances_lost_total", "function" => shared.function.as_str())
                    .increment(1);
            }
        }
    }
}
