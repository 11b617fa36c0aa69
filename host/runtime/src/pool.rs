//! The instances of one function, and their queues.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, timeout},
};
use wasmtime::component::Linker;

use super::{
    Image, RuntimeError, RuntimeSettings, Sandbox, Time, Unanswering, door,
    lane::Lane,
    pulse::Pulse,
    state::State,
    worker::{Ended, Worker},
};
use crate::{bindings::FunctionsPre, imports::Capabilities};
use twin_capabilities::function::{CallError, FunctionName, Request, Response, Verdict};
use twin_tasks::enduring;
use twin_telemetry::{
    metrics,
    trace::{self, Scope},
};

/// How long the host waits beyond a call's deadline. The component should answer by then; the host only notices if it does
/// not.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// How long an instance may take to answer a probe.
const PROBE_LIMIT: Duration = Duration::from_secs(1);
/// A path that no function has. A component answers it with 404 before it does anything else.
const PROBE_PATH: &str = "/healthz";
/// The pause between two attempts to create an instance.
const INSTANCE_PAUSE: Duration = Duration::from_secs(1);

/// A call to be passed to an instance.
pub(super) struct Job {
    pub(super) request: Request,
    pub(super) answer: oneshot::Sender<Response>,
    pub(super) overdue: Instant,
    /// Held until the instance has finished the call, even if the caller has stopped waiting. A probe has no permit.
    pub(super) permit: Option<OwnedSemaphorePermit>,
    /// The trace for which its caller works.
    pub(super) scope: Option<Scope>,
}

/// Shared by all workers of a function.
pub(super) struct Shared {
    pub(super) sandbox: Sandbox,
    pub(super) function: FunctionName,
    pub(super) component: FunctionsPre<State>,
    pub(super) capabilities: Arc<Capabilities>,
    pub(super) time: Time,
    pub(super) calls_per_instance: u64,
    pub(super) longest_computation: Duration,
    pub(super) pulse: Pulse,
}

/// One lane's place for an instance of the function.
struct Place {
    /// Bounded by the permits: a call without one is refused at once.
    queue: async_channel::Sender<Job>,
    /// False while there is no instance because none could be created.
    up: AtomicBool,
}

impl Place {
    fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }
}

/// A running function.
pub(super) struct Pool {
    function: FunctionName,
    digest: String,
    deadline: Duration,
    /// One for each lane, in their order.
    places: Vec<Arc<Place>>,
    /// Advances with each call, so that calls alternate between lanes with equally long queues.
    turn: AtomicUsize,
    permits: Arc<Semaphore>,
    shared: Arc<Shared>,
    /// Closed when the last worker has ended.
    ended: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

impl Pool {
    /// Links the component to the host and starts its workers. The first instance is created before this returns, so that a
    /// component that cannot run is an error here.
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
            pulse: Pulse::new(Instant::now()),
        });
        Worker::new(&shared).await.map_err(failed)?;
        metrics::no_instance_lost(function);
        let (alive, ended) = mpsc::channel(1);
        let mut places = Vec::with_capacity(lanes.len());
        for lane in lanes {
            let (sender, queue) = async_channel::unbounded();
            let place = Arc::new(Place {
                queue: sender,
                up: AtomicBool::new(true),
            });
            places.push(Arc::clone(&place));
            let keeper = Keeper {
                shared: Arc::clone(&shared),
                place,
                queue,
                lane: lane.clone(),
                alive: alive.clone(),
            };
            lane.spawn(keeper.keep_one_running());
        }
        Ok(Self {
            function,
            digest: image.digest,
            deadline: settings.deadline,
            places,
            turn: AtomicUsize::new(0),
            permits: Arc::new(Semaphore::new(settings.concurrent_calls)),
            shared,
            ended: tokio::sync::Mutex::new(ended),
        })
    }

    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// See [`twin_capabilities::function::Functions::call`].
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
            permit: Some(permit),
            scope: trace::current(),
        };
        let place = self.place().ok_or(CallError::InstanceLost(function))?;
        // The queues are closed only when the host is stopping.
        place
            .queue
            .try_send(job)
            .map_err(|_| CallError::Overloaded(function))?;
        match timeout(after, answered).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(_)) => Err(CallError::InstanceLost(function)),
            Err(_) => Err(CallError::DeadlineExceeded { function, after }),
        }
    }

    /// The place for a call: in the lane that it comes from, otherwise the one with the shortest queue. `None` if no lane
    /// has an instance.
    fn place(&self) -> Option<&Place> {
        let here = Lane::current().and_then(|number| self.places.get(number));
        let here = here.filter(|place| place.is_up()).map(Arc::as_ref);
        here.or_else(|| {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let (before, from) = self.places.split_at(turn % self.places.len().max(1));
            from.iter()
                .chain(before)
                .map(Arc::as_ref)
                .filter(|place| place.is_up())
                .min_by_key(|place| place.queue.len())
        })
    }

    /// The number of calls that wait for an instance.
    pub(super) fn waiting(&self) -> usize {
        self.places.iter().map(|place| place.queue.len()).sum()
    }

    /// Whether the function can answer. Probes the instance of each lane, unless a call was answered in the last second; one
    /// answer is enough.
    pub(super) async fn ready(&self) -> Result<(), Unanswering> {
        let function = self.function;
        let now = Instant::now();
        if self.shared.pulse.is_losing(now) {
            return Err(Unanswering::LosingInstances(function));
        }
        let up: Vec<_> = self.places.iter().filter(|place| place.is_up()).collect();
        if up.is_empty() {
            return Err(Unanswering::NoInstance(function));
        }
        if self.permits.available_permits() == 0 {
            return Err(Unanswering::AtLimit(function));
        }
        if self.shared.pulse.is_fresh(now) {
            return Ok(());
        }
        let probes = up.into_iter().map(|place| Box::pin(probe(place)));
        let answered = timeout(PROBE_LIMIT, future::select_ok(probes)).await;
        match answered {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Unanswering::Silent(function)),
        }
    }

    /// Accepts no more calls. The workers end when they have answered those that they have.
    pub(super) fn close(&self) {
        for place in &self.places {
            place.queue.close();
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

/// Sends the instance a request that every working instance answers. An error means that it was lost without an answer.
async fn probe(place: &Place) -> Result<(), oneshot::error::RecvError> {
    let (answer, answered) = oneshot::channel();
    let job = Job {
        request: Request {
            method: "GET".to_owned(),
            path: PROBE_PATH.to_owned(),
            query: String::new(),
            headers: Vec::new(),
            body: Vec::new(),
            time_left_ms: u32::try_from(PROBE_LIMIT.as_millis()).ok(),
            verdict: Verdict::Missing,
        },
        answer,
        overdue: Instant::now() + PROBE_LIMIT + GRACE,
        permit: None,
        scope: None,
    };
    // A closed queue drops the job, and with it the channel for the answer.
    drop(place.queue.try_send(job));
    answered.await.map(drop)
}

/// Keeps one instance running at a place.
struct Keeper {
    shared: Arc<Shared>,
    place: Arc<Place>,
    queue: async_channel::Receiver<Job>,
    lane: Lane,
    alive: mpsc::Sender<()>,
}

impl Keeper {
    /// Replaces the instance after a trap, a panic of the host or its last call, until the queue is closed.
    async fn keep_one_running(self) {
        loop {
            let Some(worker) = self.worker().await else {
                self.no_instance();
                if self.queue.is_closed() {
                    return;
                }
                tokio::time::sleep(INSTANCE_PAUSE).await;
                continue;
            };
            self.place.up.store(true, Ordering::Relaxed);
            let (retire, retired) = oneshot::channel();
            let (end, ended) = oneshot::channel();
            self.run(worker, retire, end);
            // An instance that retires still answers its calls, but its successor starts now.
            if retired.await.is_err() && matches!(ended.await, Ok(Ended::QueueClosed)) {
                return;
            }
        }
    }

    /// Creates an instance; `None`, and a log line, if that is not possible.
    async fn worker(&self) -> Option<Worker> {
        match enduring::unless_panic(Worker::new(&self.shared)).await {
            Some(Ok(worker)) => Some(worker),
            Some(Err(error)) => {
                // It worked before, so the cause is probably a lack of memory or of another resource.
                tracing::error!(
                    function = self.shared.function.as_str(),
                    error = format!("{error:#}"),
                    "no instance"
                );
                None
            }
            // The panic has been logged.
            None => None,
        }
    }

    /// Runs a worker in the lane.
    fn run(&self, worker: Worker, retire: oneshot::Sender<()>, end: oneshot::Sender<Ended>) {
        let shared = Arc::clone(&self.shared);
        let (queue, alive) = (self.queue.clone(), self.alive.clone());
        self.lane.spawn(async move {
            // Like a trap, a panic of the host drops the store and all its calls.
            let ended = enduring::unless_panic(worker.run(queue, retire))
                .await
                .unwrap_or(Ended::Lost);
            if let Ended::Lost = ended {
                metrics::instance_lost(shared.function);
                shared.pulse.lost(Instant::now());
            }
            // The receiver is gone if a successor has taken over.
            let _ = end.send(ended);
            drop(alive);
        });
    }

    /// From now on calls go to other places. Calls that wait here are answered at once.
    fn no_instance(&self) {
        self.place.up.store(false, Ordering::Relaxed);
        while self.queue.try_recv().is_ok() {}
    }
}

/// No call may stay in the queue, whichever way the task of a keeper ends.
impl Drop for Keeper {
    fn drop(&mut self) {
        self.queue.close();
        self.no_instance();
    }
}
