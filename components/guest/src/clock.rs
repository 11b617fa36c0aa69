//! Time and chance, in the units that the policy speaks. A host under test gives virtual time and a seed.

use twin_contract::Timestamp;
use wasip3::{
    clocks::{monotonic_clock, system_clock},
    random::random,
};

const NANOS_PER_MS: u64 = 1_000_000;

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

/// Now, by the wall clock, in seconds since 1970.
pub fn unix_seconds() -> u64 {
    u64::try_from(now().as_micros() / 1_000_000).unwrap_or(0)
}

/// Now, by a clock that never jumps, in milliseconds.
pub fn mono_ms() -> u64 {
    monotonic_clock::now() / NANOS_PER_MS
}

/// Waits this many milliseconds.
pub async fn sleep_ms(ms: u64) {
    monotonic_clock::wait_for(ms.saturating_mul(NANOS_PER_MS)).await;
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
