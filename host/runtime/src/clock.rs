//! The clocks and random numbers that components get.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

/// The source of a component's time and random numbers.
#[derive(Clone, Debug)]
pub enum Time {
    /// The machine's clocks and the operating system's random numbers.
    Real,
    /// tokio's clock, which a test can pause and advance, starting at a given wall-clock time; and always the same "random"
    /// bytes.
    Virtual {
        /// The wall-clock time at `start`, since 1970.
        epoch: Duration,
        /// An instant of tokio's clock.
        start: Instant,
        /// The bytes, which repeat for ever.
        random: Vec<u8>,
    },
}

impl Time {
    /// Virtual time that starts now, at the wall-clock time `epoch` (since 1970).
    pub fn virtual_from(epoch: Duration) -> Self {
        Self::Virtual {
            epoch,
            start: Instant::now(),
            random: (0..=u8::MAX).collect(),
        }
    }

    /// The wall clock, since 1970.
    pub fn now(&self) -> Duration {
        match self {
            Self::Real => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
            Self::Virtual { epoch, start, .. } => *epoch + start.elapsed(),
        }
    }

    /// Sets up a component's clocks and random numbers.
    pub(super) fn configure(&self, wasi: &mut WasiCtxBuilder) {
        if let Self::Virtual { random, .. } = self {
            wasi.wall_clock(Wall(self.clone()))
                .monotonic_clock(Monotonic(Instant::now()))
                .secure_random(wasmtime_wasi::random::Deterministic::new(random.clone()));
        }
    }
}

struct Wall(Time);

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        self.0.now()
    }
}

struct Monotonic(Instant);

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
