//! One function: its instances, and its limit of calls at once.

use std::{
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use twin_capabilities::function::{CallError, FunctionName, Request, Response};
use twin_functions::{Context, connector, error_reporter, ingestion, reader, writer};

use crate::{NativeSettings, capabilities::Granted};

/// How long the host waits beyond a call's deadline. The function itself should answer in time.
const GRACE: Duration = Duration::from_secs(1);

/// A mounted function.
#[derive(Debug)]
pub(crate) struct Function {
    name: FunctionName,
    instances: Vec<Arc<Context<Granted>>>,
    /// Counts the calls, to select the next instance.
    turn: AtomicUsize,
    permits: Arc<Semaphore>,
    calls: u32,
    deadline: Duration,
    /// No more calls are accepted.
    closed: AtomicBool,
}

impl Function {
    pub(crate) fn new(granted: &Granted, settings: &NativeSettings) -> Self {
        let instance = |_| Arc::new(Context::new(granted.clone()));
        // A semaphore can count higher, but `acquire_many` takes a `u32`.
        let calls = u32::try_from(settings.concurrent_calls).unwrap_or(u32::MAX);
        Self {
            name: granted.function,
            instances: (0..settings.instances.max(1)).map(instance).collect(),
            turn: AtomicUsize::new(0),
            permits: Arc::new(Semaphore::new(calls as usize)),
            calls,
            deadline: settings.deadline,
            closed: AtomicBool::new(false),
        }
    }

    /// Begins a call. Fails if the limit of calls is reached.
    pub(crate) fn begin(
        &self,
        request: Request,
    ) -> Result<impl Future<Output = Result<Response, CallError>> + Send + 'static, CallError> {
        let function = self.name;
        let overloaded = || CallError::Overloaded(function);
        if self.closed.load(Ordering::Relaxed) {
            return Err(overloaded());
        }
        let permit = Arc::clone(&self.permits)
            .try_acquire_owned()
            .map_err(|_| overloaded())?;
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.instances.len();
        let instance = self.instances.get(turn).map(Arc::clone);
        let instance = instance.ok_or_else(overloaded)?;
        Ok(call(
            instance,
            function,
            request,
            self.deadline + GRACE,
            permit,
        ))
    }

    /// Accepts no more calls, and resolves when those in progress have ended.
    pub(crate) async fn end(&self) {
        self.closed.store(true, Ordering::Relaxed);
        // Every call holds a permit, so all permits are available only when no call is in progress.
        let _ = self.permits.acquire_many(self.calls).await;
    }
}

async fn call(
    instance: Arc<Context<Granted>>,
    function: FunctionName,
    request: Request,
    after: Duration,
    _permit: OwnedSemaphorePermit,
) -> Result<Response, CallError> {
    // The state of an instance is consistent after a panic: see `twin_functions::Context`.
    let handled = AssertUnwindSafe(handle(&instance, function, request)).catch_unwind();
    match timeout(after, handled).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(_panic)) => Err(CallError::InstanceLost(function)),
        Err(_) => Err(CallError::DeadlineExceeded { function, after }),
    }
}

async fn handle(instance: &Context<Granted>, function: FunctionName, request: Request) -> Response {
    match function {
        FunctionName::Connector => connector::handle(instance, request).await,
        FunctionName::Ingestion => ingestion::handle(instance, request).await,
        FunctionName::Writer => writer::handle(instance, request).await,
        FunctionName::Reader => reader::handle(instance, request).await,
        FunctionName::ErrorReporter => error_reporter::handle(instance, request).await,
    }
}
