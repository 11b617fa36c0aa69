//! Time and random numbers, in the types that the delivery policy uses.

use twin_capabilities::{Clock, Random};
use twin_contract::Timestamp;
use twin_delivery::Mono;

use crate::Call;

impl<C: Clock> Call<'_, C> {
    /// The current time, from the wall clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.capabilities().now()
    }

    /// The current time, from the monotonic clock.
    pub(crate) fn mono(&self) -> Mono {
        Mono::new(self.capabilities().monotonic())
    }
}

/// The random part of a UUID version 7.
pub fn random_10(random: &impl Random) -> [u8; 10] {
    let [a, b, ..] = random.random().to_be_bytes();
    let mut bytes = [a; 10];
    if let Some((head, tail)) = bytes.split_first_chunk_mut::<8>() {
        *head = random.random().to_be_bytes();
        tail.copy_from_slice(&[a, b]);
    }
    bytes
}
