//! `lifecycle`: neither Spin nor `wasmtime serve` announces its end.

use wasip3::clocks::monotonic_clock;

use crate::{Variables, bindings::lifecycle::Guest};

const NANOS_PER_DAY: u64 = 24 * 60 * 60 * 1_000_000_000;

impl<T: Variables> Guest for T {
    /// Never resolves. A delivery that is waiting to retry is cut off with its instance; the sender of its message, left
    /// without an answer, still has it.
    async fn draining() {
        loop {
            // Not `future::pending`: a task of a component must wait for something outside the component.
            monotonic_clock::wait_for(NANOS_PER_DAY).await;
        }
    }
}
