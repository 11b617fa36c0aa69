//! `lifecycle`: neither Spin nor `wasmtime serve` announces that it is stopping.

use wasip3::clocks::monotonic_clock;

use crate::{Variables, bindings::lifecycle::Guest};

const NANOS_PER_DAY: u64 = 24 * 60 * 60 * 1_000_000_000;

impl<T: Variables> Guest for T {
    /// Never resolves. A delivery that waits to retry is cut off with its instance; the sender of the message gets no
    /// reply, and still has custody.
    async fn draining() {
        loop {
            // Not `future::pending`: a task of a component must wait for something outside the component.
            monotonic_clock::wait_for(NANOS_PER_DAY).await;
        }
    }
}
