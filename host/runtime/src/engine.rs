//! The engine that all components of a process share, its limits, and the ticker that interrupts runaways.

use std::{thread, time::Duration};

use wasmtime::{Config, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::RuntimeError;
use twin_telemetry::enduring;

/// How often a component that computes is looked at.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// Instances in one process, all functions of all clouds together.
const INSTANCES: u32 = 100;
/// A component made from std is four core modules: the program, and what adapts it to the component model.
const CORE_INSTANCES_EACH: u32 = 8;
/// The most memory that one instance may have, in bytes.
pub(super) const MEMORY: usize = 1 << 30;

/// The engine of a process. Clones share it.
#[derive(Clone)]
pub struct Sandbox {
    pub(super) engine: Engine,
}

impl Sandbox {
    /// Sets the engine up, and starts the thread that ticks its epochs for as long as it lives.
    ///
    /// # Errors
    /// If the machine does not allow what an engine needs: address space, or another thread.
    pub fn new() -> Result<Self, RuntimeError> {
        let mut pooling = PoolingAllocationConfig::default();
        pooling
            .total_component_instances(INSTANCES)
            .total_core_instances(INSTANCES * CORE_INSTANCES_EACH)
            .max_core_instances_per_component(CORE_INSTANCES_EACH)
            .total_memories(INSTANCES)
            .max_memories_per_component(1)
            .max_memory_size(MEMORY)
            .total_tables(INSTANCES * CORE_INSTANCES_EACH)
            // A call needs a stack only while it computes, not while it waits.
            .total_stacks(INSTANCES * 4);
        let mut config = Config::new();
        config
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pooling))
            .epoch_interruption(true)
            .wasm_component_model_async(true);
        let engine = Engine::new(&config).map_err(RuntimeError::Engine)?;
        let weak = engine.weak();
        thread::Builder::new()
            .name("epoch-ticker".to_owned())
            .spawn(move || enduring::until_done(|| tick(&weak)))
            .map_err(|error| RuntimeError::Engine(error.into()))?;
        Ok(Self { engine })
    }
}

/// Ticks from a thread of the operating system: a runaway that holds all of the async runtime is just what it is for.
fn tick(engine: &EngineWeak) {
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        thread::sleep(TICK);
    }
}
