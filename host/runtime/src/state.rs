//! What a store holds: the component's limits, and the way to what it imports.

use std::{sync::Arc, time::Duration};

use wasmtime::{StoreLimits, StoreLimitsBuilder, UpdateDeadline, component::ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2::pipe::MemoryOutputPipe};

use super::{
    Time,
    engine::{MEMORY, TICK},
};
use crate::imports::Capabilities;

/// As much of a component's last words as is kept, in bytes.
const LAST_WORDS: usize = 4096;
/// Resources that a component may hold at once: it has no need of any but those of std.
const RESOURCES: usize = 1024;

/// The data of a worker's store.
pub(crate) struct State {
    capabilities: Arc<Capabilities>,
    pub(super) limits: StoreLimits,
    wasi: WasiCtx,
    table: ResourceTable,
    /// Where a component that panics says why.
    pub(super) stderr: MemoryOutputPipe,
    /// Ticks of the epoch since the component last asked something of the host.
    ticks: u32,
    /// After how many of them it counts as stuck.
    stuck: u32,
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
        }
    }

    /// What the component's imports lead to. Asking for it is a sign of life.
    pub(crate) fn capabilities(&mut self) -> Arc<Capabilities> {
        self.ticks = 0;
        Arc::clone(&self.capabilities)
    }

    /// A sign of life, of a component that asked for something.
    pub(crate) const fn alive(&mut self) {
        self.ticks = 0;
    }

    /// What becomes of a component that still computes when the epoch ticks: it makes way for others, and is stopped if it
    /// seems stuck.
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
