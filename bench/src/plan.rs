//! How much is measured: the whole matrix, or only enough to check that everything works.

use std::time::Duration;

use crate::serve::Route;

/// Body sizes in bytes, with their names.
pub(crate) const BODIES: [(usize, &str); 3] =
    [(307, "0.3 KiB"), (4096, "4 KiB"), (65536, "64 KiB")];
pub(crate) const CONNECTIONS: [u64; 4] = [1, 8, 64, 512];
pub(crate) const ROUTES: [Route; 4] = [
    Route::Ingest,
    Route::Write,
    Route::WriteDurable,
    Route::Connector,
];

/// The cell of the matrix for which the targets are defined.
pub(crate) const MAIN: (usize, u64) = (307, 64);

/// Counts and times.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The number of A/B rounds in the cells of the targets, and the time of each.
    pub(crate) main: (usize, Duration),
    /// … and in all other cells.
    pub(crate) other: (usize, Duration),
    pub(crate) warm_up: Duration,
    /// The time for one arrival rate.
    pub(crate) open: Duration,
    pub(crate) starts: usize,
    /// Deliveries that wait at once.
    pub(crate) waiting: &'static [u64],
    pub(crate) calls: u32,
    /// Only the cells of the targets.
    pub(crate) main_only: bool,
}

impl Plan {
    pub(crate) const fn whole() -> Self {
        Self {
            main: (5, Duration::from_millis(1000)),
            other: (2, Duration::from_millis(800)),
            warm_up: Duration::from_millis(80),
            open: Duration::from_secs(1),
            starts: 5,
            waiting: &[1_000, 10_000],
            calls: 20_000,
            main_only: false,
        }
    }

    pub(crate) const fn quick() -> Self {
        Self {
            main: (3, Duration::from_millis(500)),
            other: (1, Duration::from_millis(200)),
            warm_up: Duration::from_millis(100),
            open: Duration::from_millis(500),
            starts: 3,
            waiting: &[1_000],
            calls: 2_000,
            main_only: true,
        }
    }
}
