//! Time and chance, in the types that the policy speaks. A host under test gives virtual time and a seed.

use std::time::Duration;

use twin_contract::Timestamp;
use twin_delivery::Mono;
use wasip3::{
    clocks::{monotonic_clock, system_clock},
    random::random,
};

/// Now, by the wall clock.
pub fn now() -> Timestamp {
    let instant = system_clock::now();
    let micros = i64::from(instant.nanoseconds / 1000);
    Timestamp::from_micros(
        instant
            .seconds
            .saturating_mul(1_000_000)
            .saturating_add(micros),
    )
}

/// Now, by a clock that never jumps.
pub fn mono() -> Mono {
    Mono::new(Duration::from_nanos(monotonic_clock::now()))
}

/// Waits this long.
pub async fn sleep(span: Duration) {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    monotonic_clock::wait_for(nanos).await;
}

/// A random number.
pub fn random_u64() -> u64 {
    random::get_random_u64()
}

/// The random part of a UUID version 7.
pub fn random_10() -> [u8; 10] {
    let [a, b, ..] = random_u64().to_be_bytes();
    let mut bytes = [a; 10];
    if let Some((head, tail)) = bytes.split_first_chunk_mut::<8>() {
        *head = random_u64().to_be_bytes();
        tail.copy_from_slice(&[a, b]);
    }
    bytes
}
