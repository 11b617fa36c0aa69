//! The data of a component's store: its limits and its capabilities.

use std::{collections::HashMap, sync::Arc, time::Duration};

use twin_telemetry::trace::Scope;
use wasmtime::{
    StoreLimits, StoreLimitsBuilder, UpdateDeadline,
    component::{GuestTaskId, ResourceTable},
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2::pipe::MemoryOutputPipe};

use super::{
    Time,
    engine::{MEMORY, TICK},
};
use crate::imports::Capabilities;

/// How many bytes of a component's panic message are kept.
const LAST_WORDS: usize = 4096;
/// The most resources that a component can hold at once: it needs only those of std.
const RESOURCES: usize = 1024;

/// The data of a worker's store.
pub(crate) struct State {
    capabilities: Arc<Capabilities>,
    pub(super) limits: StoreLimits,
    wasi: WasiCtx,
    table: ResourceTable,
    /// Receives the message of a component that panics.
    pub(super) stderr: MemoryOutputPipe,
    /// Epoch ticks since the component last called the host.
    ticks: u32,
    /// The number of ticks after which it counts as stuck.
    stuck: u32,
    /// The traces of the calls in progress, for those that have one.
    scopes: HashMap<GuestTaskId, Scope>,
}

impl State {
    pub(super) fn new(
        capabilities: Arc<Capabilities>,
        time: &Time,
        longest_computation: Duration,
    ) -> Self {
        let stderr = MemoryOutputPipe::new(LAST_WORDS);
        let mut wasi = WasiCtx::builder();
        time.configure(&mut wasi);
        wasi.stderr(stderr.clone());
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        Self {
            capabilities,
            limits: StoreLimitsBuilder::new().memory_size(MEMORY).build(),
            wasi: wasi.build(),
            table,
            stderr,
            ticks: 0,
            stuck: u32::try_from(longest_computation.as_millis() / TICK.as_millis())
                .unwrap_or(u32::MAX),
            scopes: HashMap::new(),
        }
    }

    /// Begins a call that works for a trace.
    pub(super) fn begin(&mut self, call: GuestTaskId, scope: Scope) {
        self.scopes.insert(call, scope);
    }

    /// Ends a call.
    pub(super) fn end(&mut self, call: GuestTaskId) {
        self.scopes.remove(&call);
    }

    /// Whether any call in progress works for a trace.
    pub(crate) fn has_scopes(&self) -> bool {
        !self.scopes.is_empty()
    }

    /// The trace for which a call works.
    pub(crate) fn scope_of(&self, call: GuestTaskId) -> Option<Scope> {
        self.scopes.get(&call).cloned()
    }

    /// The component's capabilities. Reading them also records that the component called the host.
    pub(crate) fn capabilities(&mut self) -> Arc<Capabilities> {
        self.ticks = 0;
        Arc::clone(&self.capabilities)
    }

    /// Records that the component called the host.
    pub(crate) const fn alive(&mut self) {
        self.ticks = 0;
    }

    /// Called at each epoch tick for a component that is still computing. The component yields to others, and is stopped if
    /// it counts as stuck.
    pub(super) const fn tick(&mut self) -> UpdateDeadline {
        self.ticks += 1;
        if self.ticks > self.stuck {
            UpdateDeadline::Interrupt
        } else {
            UpdateDeadline::Yield(1)
        }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}
