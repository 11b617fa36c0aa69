//! One function: its instances, and how many calls it takes at once.

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

/// What is waited beyond a call's deadline: the function is to answer in time itself.
const GRACE: Duration = Duration::from_secs(1);

/// A mounted function.
#[derive(Debug)]
pub(crate) struct Function {
    name: FunctionName,
    instances: Vec<Arc<Context<Granted>>>,
    /// The next instance's turn.
    turn: AtomicUsize,
    permits: Arc<Semaphore>,
    calls: u32,
    deadline: Duration,
    /// No more calls are taken.
    closed: AtomicBool,
}

impl Function {
    pub(crate) fn new(granted: &Granted, settings: &NativeSettings) -> Self {
        let instance = |_| Arc::new(Context::new(granted.clone()));
        // A semaphore counts to more than this, but `u32` is what is taken at once.
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

    /// Begins a call: an error if there are as many as there may be.
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

    /// Takes no more calls, and resolves when those under way have ended.
    pub(crate) async fn end(&self) {
        self.closed.store(true, Ordering::Relaxed);
        // Every call holds a permit, so all of them are there only when no call is under way.
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
    // What an instance remembers is whole after a panic: see `twin_functions::Context`.
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
