//! Clocks and random numbers: `wasi:clocks` and `wasi:random` in the world of a function. A test provides virtual time and
//! a seed.

use std::time::Duration;

use async_trait::async_trait;
use twin_contract::Timestamp;

/// The clocks of a function. The store's own clock gives the times of stored data.
#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
pub trait Clock: Send + Sync + 'static {
    /// The wall clock. It may jump.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary moment, from a clock that never goes back.
    fn monotonic(&self) -> Duration;

    /// Waits.
    async fn sleep(&self, duration: Duration);
}

/// A source of random numbers.
pub trait Random: Send + Sync + 'static {
    /// A random number, all values equally likely. Unpredictable outside of tests.
    fn random(&self) -> u64;
}
