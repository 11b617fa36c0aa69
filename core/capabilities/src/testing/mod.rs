//! The behaviour suite: what every provider must do, as tests. It can be used for any provider.
//!
//! A provider passes if its stores behave as the functions expect: what was acknowledged is visible to every process, an id
//! is stored once, leases end by the store's clock, pages lose nothing, and twins do not see each other's data. Each
//! behaviour is a test, and its name says what must hold.
//!
//! # How to use it
//!
//! 1. Depend on this crate with the feature `testing`:
//!
//!    ```toml
//!    [dev-dependencies]
//!    twin-capabilities = { version = "0.1", features = ["testing"] }
//!    ```
//!
//! 2. Let the provider take its time from a [`Clock`](crate::provider::Clock), at least in tests. A service with its own
//!    clock can be opened with the test's clock instead, or with an offset to the service's.
//!
//! 3. Implement [`Fixture`], and write one line of [`provider_tests!`](crate::provider_tests):
//!
//!    ```
//!    # mod my_provider {
//!    #     use twin_capabilities::{Stores, provider::Clock};
//!    #     pub struct Database;
//!    #     impl Database {
//!    #         pub async fn create(_url: &str) -> Self { Self }
//!    #         pub async fn open(&self, _twin: &str, _clock: Clock) -> Stores { unimplemented!() }
//!    #     }
//!    # }
//!    use my_provider::Database;
//!    use twin_capabilities::{
//!        Stores,
//!        testing::{Fixture, ManualClock, Skipped},
//!    };
//!
//!    /// An empty database.
//!    struct EmptyDatabase {
//!        clock: ManualClock,
//!        database: Database,
//!    }
//!
//!    impl Fixture for EmptyDatabase {
//!        async fn set_up() -> Result<Self, Skipped> {
//!            let Ok(url) = std::env::var("MY_DATABASE_URL") else {
//!                return Err(Skipped("MY_DATABASE_URL is not set".to_owned()));
//!            };
//!            Ok(Self {
//!                clock: ManualClock::new(),
//!                database: Database::create(&url).await,
//!            })
//!        }
//!
//!        async fn open_twin(&self, twin: &str) -> Stores {
//!            self.database.open(twin, self.clock.as_clock()).await
//!        }
//!
//!        fn clock(&self) -> &ManualClock {
//!            &self.clock
//!        }
//!    }
//!
//!    twin_capabilities::provider_tests!(EmptyDatabase);
//!    ```
//!
//! The documentation of the crate `twin-memory` has a complete example.
//!
//! For a provider of which only some stores are finished, the tests of one group can be used alone, such as
//! `provider_tests!(MyFixture, records)`. For a runner other than Rust's own, [`hold`] runs a single behaviour.
//!
//! What only one provider guarantees (files, failover, limits) is not in the suite and needs its own tests; [`samples`] has
//! records, letters and errors for them.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "everything here is part of a test, where a failed expectation is the assertion"
)]

pub mod circuits;
pub mod dead_letters;
pub mod error_topic;
mod fixture;
pub mod leases;
pub mod paging;
pub mod records;
pub mod samples;
pub mod statistics;
mod suite;

pub use fixture::{Fixture, ManualClock, Skipped};

/// Checks a provider for one behaviour, in an empty place of its own.
///
/// # Errors
/// [`Skipped`] if the provider cannot be tested on this machine.
///
/// # Panics
/// If the provider does not behave as it must.
pub async fn hold<F: Fixture>(behaviour: impl AsyncFnOnce(F)) -> Result<(), Skipped> {
    behaviour(F::set_up().await?).await;
    Ok(())
}

/// The body of a test that [`provider_tests!`](crate::provider_tests) creates.
#[doc(hidden)]
pub fn run<F: Fixture>(name: &str, behaviour: impl AsyncFnOnce(F)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("two threads");
    if let Err(reason) = runtime.block_on(hold(behaviour)) {
        println!("skipped: {name}: {reason}");
    }
}

/// The same for a behaviour of the outbox, which not every provider has.
#[doc(hidden)]
pub fn run_with_outbox<F: Fixture>(name: &str, behaviour: impl AsyncFnOnce(F)) {
    run(name, async |fixture: F| {
        if fixture.has_outbox() {
            behaviour(fixture).await;
        } else {
            println!("skipped: {name}: there is no outbox");
        }
    });
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// The files of each group, and the list in the macro.
    const GROUPS: [(&str, &[&str]); 7] = [
        ("circuits", &[include_str!("circuits.rs")]),
        ("dead_letters", &[include_str!("dead_letters.rs")]),
        ("error_topic", &[include_str!("error_topic.rs")]),
        (
            "leases",
            &[
                include_str!("leases/mod.rs"),
                include_str!("leases/queue.rs"),
            ],
        ),
        ("paging", &[include_str!("paging.rs")]),
        ("records", &[include_str!("records.rs")]),
        ("statistics", &[include_str!("statistics.rs")]),
    ];

    #[test]
    fn every_behaviour_is_a_test_of_every_provider() {
        let suite = include_str!("suite.rs");
        for (group, files) in GROUPS {
            let code = files.iter().flat_map(|file| file.lines());
            let written: BTreeSet<_> = code
                .filter_map(|line| line.strip_prefix("pub async fn ")?.split_once('('))
                .map(|(name, _)| name)
                .collect();
            let (_, list) = suite.split_once(&format!("{group}:\n")).unwrap();
            let (list, _) = list.split_once('}').unwrap();
            let listed: BTreeSet<_> = list.split([',', '\n', ' ']).collect();
            let listed: BTreeSet<_> = listed.into_iter().filter(|name| !name.is_empty()).collect();
            assert!(!written.is_empty());
            assert_eq!(written, listed, "{group}");
        }
    }
}
