//! What only memory guarantees: it fails when told to, and never waits.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use twin_capabilities::{
    circuits::SwapFailure,
    records::Order,
    testing::samples::{PutAll as _, TELEMETRY, entry, everything, letter, system_error},
    types::Failure,
};
use twin_host::providers::memory::{Capability, Memory};

fn unavailable<T>(result: Result<T, Failure>) -> bool {
    matches!(result, Err(Failure::Unavailable(_)))
}

/// Polls a future once. It must complete without waiting.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("memory waits for nothing")
}

#[test]
fn each_capability_fails_when_told_to() {
    let memory = Memory::new(Arc::new(|| 0));
    let stores = memory.stores();
    let put = || {
        at_once(
            stores
                .records
                .put_all(TELEMETRY.to_owned(), vec![entry(1, "a", "x")]),
        )
    };
    let query = || {
        let everything = everything(Order::OldestFirst);
        at_once(stores.records.query(TELEMETRY.to_owned(), everything))
    };
    let push = || at_once(stores.dead_letters.push(letter("a")));
    let list = || at_once(stores.dead_letters.list(None, 1));
    let publish = || at_once(stores.error_topic.publish(system_error("A")));
    let pending = || at_once(stores.outbox.as_ref().unwrap().pending(1, Duration::ZERO));
    let load = || at_once(stores.circuits.load("writer".to_owned()));
    let swap = || {
        let swap = stores
            .circuits
            .compare_and_swap("writer".to_owned(), 0, "x".to_owned());
        at_once(swap)
    };
    let check = || at_once(stores.health.check());

    memory.fail(Capability::Records, true);
    assert!(unavailable(put()) && unavailable(query()));
    memory.fail(Capability::DeadLetters, true);
    assert!(unavailable(push()) && unavailable(list()));
    memory.fail(Capability::ErrorTopic, true);
    assert!(unavailable(publish()) && unavailable(pending()));
    memory.fail(Capability::Circuits, true);
    assert!(unavailable(load()));
    assert!(matches!(
        swap(),
        Err(SwapFailure::Store(Failure::Unavailable(_)))
    ));
    assert_eq!(check(), Ok(()), "each fails alone");
    memory.fail(Capability::Health, true);
    assert!(unavailable(check()));

    for capability in [
        Capability::Records,
        Capability::DeadLetters,
        Capability::ErrorTopic,
        Capability::Circuits,
        Capability::Health,
    ] {
        memory.fail(capability, false);
    }
    assert_eq!(
        query().unwrap().entries,
        [],
        "what failed has changed nothing"
    );
    assert_eq!(list().unwrap().letters, []);
    assert_eq!(pending(), Ok(Vec::new()));
    assert_eq!(load().unwrap().version, 0);
    assert!(put().is_ok() && push().is_ok() && publish().is_ok() && swap().is_ok());
    assert_eq!(check(), Ok(()));
}
