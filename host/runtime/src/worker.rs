//! A worker: one store with one instance, which serves many calls at once.

use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::{sync::oneshot, time::Instant};
use wasmtime::{Store, component::Accessor};

use super::{
    pool::{Job, Shared},
    state::State,
};
use crate::bindings::Functions as World;

/// An instance that is ready for calls.
pub(super) struct Worker {
    shared: Arc<Shared>,
    store: Store<State>,
    instance: World,
}

/// Why a worker ended.
pub(super) enum Ended {
    /// The host is stopping, and every call was answered.
    QueueClosed,
    /// The component trapped, or the host panicked: all calls of the instance are lost.
    Lost,
}

impl Worker {
    /// Creates an instance.
    pub(super) async fn new(shared: &Arc<Shared>) -> wasmtime::Result<Self> {
        let capabilities = Arc::clone(&shared.capabilities);
        let state = State::new(capabilities, &shared.time, shared.longest_computation);
        let mut store = Store::new(&shared.sandbox.engine, state);
        store.limiter(|state| &mut state.limits);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| Ok(store.data_mut().tick()));
        let instance = shared.component.instantiate_async(&mut store).await?;
        Ok(Self {
            shared: Arc::clone(shared),
            store,
            instance,
        })
    }

    /// Accepts and answers calls until the queue is closed, or until the instance has had its maximum number of calls;
    /// `retire` then announces that.
    pub(super) async fn run(
        mut self,
        queue: async_channel::Receiver<Job>,
        retire: oneshot::Sender<()>,
    ) -> Ended {
        let (shared, instance) = (&self.shared, &self.instance);
        let served = self
            .store
            .run_concurrent(async |accessor| {
                serve(shared, &queue, instance, accessor, retire).await
            })
            .await;
        match served.flatten() {
            Ok(()) => Ended::QueueClosed,
            Err(error) => {
                let last_words = self.store.data().stderr.contents();
                tracing::error!(
                    function = shared.function.as_str(),
                    error = format!("{error:#}"),
                    stderr = %String::from_utf8_lossy(&last_words),
                    "instance lost to a trap"
                );
                Ended::Lost
            }
        }
    }
}

/// The outcome of one call.
enum Call {
    Answered,
    Trapped(wasmtime::Error),
    /// It is still in progress long after its deadline: the instance can no longer be trusted.
    Overdue,
}

async fn serve(
    shared: &Shared,
    queue: &async_channel::Receiver<Job>,
    instance: &World,
    accessor: &Accessor<State>,
    retire: oneshot::Sender<()>,
) -> wasmtime::Result<()> {
    let mut retire = Some(retire);
    let mut calls = FuturesUnordered::new();
    let mut left = shared.calls_per_instance;
    let mut open = true;
    loop {
        let take = open && left > 0;
        if !take && calls.is_empty() {
            return Ok(());
        }
        tokio::select! {
            biased;
            Some(ended) = calls.next(), if !calls.is_empty() => match ended {
                Call::Answered => {}
                Call::Trapped(error) => return Err(error),
                Call::Overdue => left = 0,
            },
            job = queue.recv(), if take => match job {
                Ok(job) => {
                    left -= 1;
                    calls.push(call(shared, instance, accessor, job));
                }
                Err(_closed) => open = false,
            },
        }
        accessor.with(|mut store| store.data_mut().alive());
        if left == 0
            && open
            && let Some(retire) = retire.take()
        {
            // If the receiver is gone, the host is stopping.
            let _ = retire.send(());
        }
    }
}

async fn call(shared: &Shared, instance: &World, accessor: &Accessor<State>, job: Job) -> Call {
    let Job {
        request,
        answer,
        overdue,
        permit,
        scope,
    } = job;
    let function = instance.twin_multicloud_function().func_handle();
    let begun = accessor.with(|mut store| {
        let begun = function.start_call_concurrent(&mut store, (request.into(),))?;
        if let Some(scope) = scope {
            store.data_mut().begin(begun.task(), scope);
        }
        wasmtime::Result::Ok(begun)
    });
    let begun = match begun {
        Ok(begun) => begun,
        Err(error) => return Call::Trapped(error),
    };
    let task = begun.task();
    let handling = function.finish_call_concurrent(accessor, begun);
    let handled = tokio::time::timeout_at(overdue, handling).await;
    accessor.with(|mut store| store.data_mut().end(task));
    // The outcome of a probe says nothing about calls.
    let pulse = permit.is_some().then_some(&shared.pulse);
    match handled {
        Ok(Ok((response,))) => {
            if let Some(pulse) = pulse {
                pulse.answered(Instant::now());
            }
            // The caller may have stopped waiting.
            let _ = answer.send(response.into());
            Call::Answered
        }
        Ok(Err(error)) => Call::Trapped(error),
        Err(_) => {
            if let Some(pulse) = pulse {
                pulse.lost(Instant::now());
            }
            Call::Overdue
        }
    }
}
