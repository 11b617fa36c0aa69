//! The engine that all components of a process share, its limits, and the ticker that interrupts components which compute
//! for too long.

use std::{fmt, thread, time::Duration};

use wasmtime::{
    Config, Engine, EngineWeak, InstanceAllocationStrategy, ModuleVersionStrategy,
    PoolingAllocationConfig,
};

use super::{MOST_LANES, RuntimeError, code, default_lanes};
use twin_tasks::enduring;

/// How often a component that is computing is interrupted and checked.
pub(super) const TICK: Duration = Duration::from_millis(10);

/// Instances for each lane: enough for five functions on each of three clouds in one process, and for instances that are
/// replaced while they still answer calls.
const INSTANCES_EACH: u32 = 25;
/// The minimum number of instances in a process, so that many can be replaced at once even with few lanes.
const LEAST_INSTANCES: u32 = 100;
/// A component that uses std consists of four core modules: the program, and those that adapt it to the component model.
const CORE_INSTANCES_EACH: u32 = 8;
/// The most memory that one instance may have, in bytes.
pub(super) const MEMORY: usize = 1 << 30;

/// The engine of a process. Clones share it.
#[derive(Clone)]
pub struct Sandbox {
    pub(super) engine: Engine,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sandbox").finish_non_exhaustive()
    }
}

impl Sandbox {
    /// An engine for runtimes with the default number of lanes: see [`default_lanes`].
    ///
    /// # Errors
    /// As for [`Sandbox::for_lanes`].
    pub fn new() -> Result<Self, RuntimeError> {
        Self::for_lanes(default_lanes())
    }

    /// Creates an engine with room for the instances of runtimes with this many lanes each, and starts the thread that
    /// advances its epochs. The thread runs as long as the engine exists.
    ///
    /// # Errors
    /// If the machine lacks what an engine needs: address space, or a thread.
    pub fn for_lanes(lanes: usize) -> Result<Self, RuntimeError> {
        let instances = instances(lanes);
        let mut pooling = PoolingAllocationConfig::default();
        pooling
            .total_component_instances(instances)
            .total_core_instances(instances * CORE_INSTANCES_EACH)
            .max_core_instances_per_component(CORE_INSTANCES_EACH)
            .total_memories(instances)
            .max_memories_per_component(1)
            .max_memory_size(MEMORY)
            .total_tables(instances * CORE_INSTANCES_EACH)
            // A call needs a stack only while it computes, not while it waits.
            .total_stacks(instances * 4);
        let mut config = settings().map_err(RuntimeError::Engine)?;
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pooling));
        let engine = Engine::new(&config).map_err(RuntimeError::Engine)?;
        let weak = engine.weak();
        thread::Builder::new()
            .name("epoch-ticker".to_owned())
            .spawn(move || enduring::until_done(|| tick(&weak)))
            .map_err(|error| RuntimeError::Engine(error.into()))?;
        Ok(Self { engine })
    }
}

/// The settings that machine code depends on. They are the same for the engines that run components and for those that only
/// compile or check them. Where instances are allocated is not one of them.
///
/// # Errors
/// If wasmtime takes no such version.
pub(crate) fn settings() -> wasmtime::Result<Config> {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .wasm_component_model_async(true)
        .module_version(ModuleVersionStrategy::Custom(code::build()))?;
    Ok(config)
}

/// How many instances a process with this many lanes can have at once, for all functions of all clouds together.
fn instances(lanes: usize) -> u32 {
    let lanes = u32::try_from(lanes.min(MOST_LANES)).unwrap_or(u32::MAX);
    lanes.saturating_mul(INSTANCES_EACH).max(LEAST_INSTANCES)
}

/// Ticks from a separate thread, so that it works even when components occupy all threads of the async runtime.
fn tick(engine: &EngineWeak) {
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        thread::sleep(TICK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_the_instances_of_all_lanes() {
        assert_eq!(instances(1), LEAST_INSTANCES);
        assert_eq!(instances(64), 64 * INSTANCES_EACH);
        assert!(Sandbox::for_lanes(MOST_LANES).is_ok());
    }
}
