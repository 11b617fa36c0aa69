//! Circuits: each value has one successor. Also the store's health.

use std::collections::HashSet;

use futures_util::future::join_all;

use super::Fixture;
use crate::{
    Stores,
    circuits::{Circuit, SwapFailure},
};

async fn load(stores: &Stores, name: &str) -> Circuit {
    stores.circuits.load(name.to_owned()).await.unwrap()
}

async fn swap(
    stores: &Stores,
    name: &str,
    expected_version: u64,
    state: &str,
) -> Result<Circuit, SwapFailure> {
    let swap =
        stores
            .circuits
            .compare_and_swap(name.to_owned(), expected_version, state.to_owned());
    swap.await
}

fn circuit(fixture: &impl Fixture, version: u64, state: &str) -> Circuit {
    Circuit {
        version,
        state: state.to_owned(),
        now_ms: u64::try_from(fixture.now()).unwrap() / 1000,
    }
}

/// A name that was never stored has version 0, an empty state, and the store's time in whole milliseconds.
pub async fn a_name_never_stored_reads_as_version_0(fixture: impl Fixture) {
    let stores = fixture.open().await;
    assert_eq!(load(&stores, "writer").await, circuit(&fixture, 0, ""));
    fixture.turn(1_999);
    assert_eq!(load(&stores, "writer").await, circuit(&fixture, 0, ""));
}

/// A swap stores the next version, and every process sees it.
pub async fn each_swap_moves_the_version_by_one(fixture: impl Fixture) {
    let stores = fixture.open().await;
    for (expected_version, state) in [(0, "open"), (1, ""), (2, "closed")] {
        fixture.turn(1_000);
        let swapped = swap(&stores, "writer", expected_version, state).await;
        let stored = circuit(&fixture, expected_version + 1, state);
        assert_eq!(swapped, Ok(stored.clone()));
        assert_eq!(load(&fixture.open().await, "writer").await, stored);
    }
}

/// A swap by an outdated or a future version changes nothing and returns the stored value.
pub async fn a_conflict_returns_the_winner(fixture: impl Fixture) {
    let stores = fixture.open().await;
    let nothing = SwapFailure::Conflict(circuit(&fixture, 0, ""));
    for never in [1, 7, u64::MAX] {
        assert_eq!(
            swap(&stores, "writer", never, "x").await,
            Err(nothing.clone())
        );
    }
    swap(&stores, "writer", 0, "first").await.unwrap();
    swap(&stores, "writer", 1, "second").await.unwrap();
    let winner = SwapFailure::Conflict(circuit(&fixture, 2, "second"));
    for outdated in [0, 1, 3, u64::MAX] {
        assert_eq!(
            swap(&stores, "writer", outdated, "x").await,
            Err(winner.clone())
        );
    }
    assert_eq!(
        load(&stores, "writer").await,
        circuit(&fixture, 2, "second")
    );
}

/// Circuits with other names, or of other twins, are independent.
pub async fn values_belong_to_a_name_and_a_twin(fixture: impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open_twin("factory-02").await);
    swap(&stores, "writer", 0, "open").await.unwrap();
    assert_eq!(load(&stores, "ingestion").await.version, 0);
    assert_eq!(load(&other, "writer").await.version, 0);
    swap(&other, "writer", 0, "closed").await.unwrap();
    assert_eq!(load(&stores, "writer").await.state, "open");
}

/// Concurrent swaps are atomic: each version is assigned once, and no swap is lost.
pub async fn of_many_who_swap_none_is_lost(fixture: impl Fixture) {
    const SWAPPERS: usize = 12;
    const SWAPS: usize = 10;
    let opened = [fixture.open().await, fixture.open().await];
    let swappers = (0..SWAPPERS).map(|swapper| {
        let stores = opened[swapper % 2].clone();
        tokio::spawn(async move {
            let mut current = load(&stores, "writer").await;
            let mut versions = Vec::new();
            while versions.len() < SWAPS {
                let state = format!("{}+{swapper}", current.version);
                match swap(&stores, "writer", current.version, &state).await {
                    Ok(swapped) => {
                        assert_eq!(swapped.version, current.version + 1);
                        assert_eq!(swapped.state, state);
                        versions.push(swapped.version);
                        current = swapped;
                    }
                    Err(SwapFailure::Conflict(winner)) => {
                        assert!(winner.version > current.version);
                        current = winner;
                    }
                    Err(SwapFailure::Store(failure)) => panic!("{failure}"),
                }
            }
            versions
        })
    });

    let versions = join_all(swappers)
        .await
        .into_iter()
        .flat_map(Result::unwrap);
    let versions: HashSet<_> = versions.collect();

    assert_eq!(
        versions.len(),
        SWAPPERS * SWAPS,
        "no version was given twice"
    );
    let last = load(&opened[0], "writer").await.version;
    assert_eq!(last, u64::try_from(SWAPPERS * SWAPS).unwrap());
}

/// The health check succeeds while the store can be written.
pub async fn a_store_that_takes_writes_is_healthy(fixture: impl Fixture) {
    let stores = fixture.open().await;
    for _ in 0..2 {
        assert_eq!(stores.health.check().await, Ok(()));
    }
}
