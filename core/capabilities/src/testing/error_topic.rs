//! The error topic and its outbox: a published error waits until it is forwarded.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;

use super::{Fixture, samples::system_error};
use crate::{
    Outbox, Stores,
    error_topic::{Event, Severity, SystemError},
};

async fn publish(stores: &Stores, error_code: &str) {
    let publish = stores.error_topic.publish(system_error(error_code));
    publish.await.unwrap();
}

fn outbox(stores: &Stores) -> &dyn Outbox {
    stores.outbox.as_deref().unwrap()
}

async fn pending(stores: &Stores, limit: u32) -> Vec<Event> {
    let lease = Duration::from_secs(1);
    outbox(stores).pending(limit, lease).await.unwrap()
}

fn codes(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event.error.error_code.as_str())
        .collect()
}

/// Every field of a system error is returned unchanged, under a UUIDv7.
pub async fn an_error_waits_as_it_was_published(fixture: impl Fixture) {
    let severities = [Severity::Critical, Severity::Warning, Severity::Info];
    let errors = severities.map(|severity| SystemError {
        severity,
        raw_data: (severity == Severity::Critical).then(|| "\0 {".to_owned()),
        ..system_error("STORE_FAILED")
    });
    for error in &errors {
        fixture
            .open()
            .await
            .error_topic
            .publish(error.clone())
            .await
            .unwrap();
    }

    let events = pending(&fixture.open().await, 10).await;

    let waiting: Vec<_> = events.iter().map(|event| event.error.clone()).collect();
    assert_eq!(waiting, errors);
    for event in &events {
        assert_eq!(event.attempts, 1);
        assert_eq!(
            (event.id.len(), event.id.chars().nth(14)),
            (36, Some('7')),
            "a UUIDv7"
        );
    }
}

/// Events are leased in the order of publishing, at most as many as requested.
pub async fn events_come_in_the_order_of_publishing(fixture: impl Fixture) {
    let stores = fixture.open().await;
    for error_code in ["D", "A", "C", "B"] {
        publish(&stores, error_code).await;
    }
    assert!(pending(&stores, 0).await.is_empty());
    assert_eq!(codes(&pending(&stores, 3).await), ["D", "A", "C"]);
    assert_eq!(codes(&pending(&stores, 3).await), ["B"]);
}

/// A leased event is leased again only when its lease has ended, by the store's clock.
pub async fn an_event_is_handed_to_one_at_a_time(fixture: impl Fixture) {
    let stores = fixture.open().await;
    publish(&stores, "A").await;
    let first = pending(&stores, 1).await;
    fixture.turn(999_999);
    assert!(pending(&fixture.open().await, 1).await.is_empty());
    fixture.turn(1);
    let second = pending(&fixture.open().await, 1).await;
    assert_eq!(second[0].id, first[0].id);
    assert_eq!(second[0].attempts, 2);

    publish(&stores, "B").await;
    let forever = outbox(&stores).pending(1, Duration::MAX).await.unwrap();
    assert_eq!(codes(&forever), ["B"]);
    fixture.turn(i64::from(u32::MAX) * 1_000_000);
    assert_eq!(codes(&pending(&stores, 2).await), ["A"]);
}

/// A lease that was taken while the clock was ahead ends when the clock is set back.
pub async fn a_lease_does_not_outlast_its_length_when_the_clock_is_set_back(fixture: impl Fixture) {
    const DAY: i64 = 86_400_000_000;
    fixture.turn(DAY);
    let stores = fixture.open().await;
    publish(&stores, "A").await;
    assert_eq!(pending(&stores, 10).await.len(), 1);
    assert_eq!(pending(&stores, 10).await.len(), 0);
    fixture.turn(-DAY);
    assert_eq!(pending(&fixture.open().await, 10).await.len(), 1);
    assert_eq!(pending(&stores, 10).await.len(), 0);
}

/// A settled event is removed, and settling it again is not an error.
pub async fn a_settled_event_is_gone(fixture: impl Fixture) {
    let stores = fixture.open().await;
    publish(&stores, "A").await;
    publish(&stores, "A").await;
    let events = pending(&stores, 2).await;
    assert_ne!(events[0].id, events[1].id);

    // Twice, as two forwarders whose leases overlap would do.
    for _ in 0..2 {
        let settle = outbox(&stores).settle(events[0].id.clone());
        settle.await.unwrap();
    }

    fixture.turn(1_000_000);
    let left = pending(&stores, 2).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, events[1].id);
}

/// A released event can be leased at once; releasing an unknown event is not an error.
pub async fn a_released_event_is_free(fixture: impl Fixture) {
    let stores = fixture.open().await;
    publish(&stores, "A").await;
    let event = pending(&stores, 1).await.remove(0);
    outbox(&stores).release(event.id.clone()).await.unwrap();
    assert_eq!(
        pending(&stores, 1).await,
        [Event {
            attempts: 2,
            ..event
        }]
    );
    outbox(&stores).release("none".to_owned()).await.unwrap();
}

/// Events of other twins are neither leased nor removed.
pub async fn events_belong_to_a_twin(fixture: impl Fixture) {
    let (stores, other) = (fixture.open().await, fixture.open_twin("factory-02").await);
    publish(&stores, "A").await;
    assert!(pending(&other, 1).await.is_empty());
    let event = pending(&stores, 1).await.remove(0);
    outbox(&other).settle(event.id).await.unwrap();
    fixture.turn(1_000_000);
    assert_eq!(codes(&pending(&stores, 1).await), ["A"]);
}

/// Concurrent forwarders never hold the same event.
pub async fn of_many_who_forward_each_event_has_one_holder(fixture: impl Fixture) {
    const EVENTS: usize = 100;
    let opened = [fixture.open().await, fixture.open().await];
    join_all((0..EVENTS).map(|number| {
        let stores = opened[number % 2].clone();
        async move { publish(&stores, "A").await }
    }))
    .await;
    let forwarders = (0..8).map(|forwarder| {
        let stores = opened[forwarder % 2].clone();
        tokio::spawn(async move {
            let mut handed = Vec::new();
            loop {
                let events = pending(&stores, 3).await;
                if events.is_empty() {
                    return handed;
                }
                handed.extend(events);
            }
        })
    });

    let handed = join_all(forwarders)
        .await
        .into_iter()
        .flat_map(Result::unwrap);
    let handed: Vec<_> = handed.map(|event| event.id).collect();

    assert_eq!(handed.len(), EVENTS);
    assert_eq!(handed.iter().collect::<HashSet<_>>().len(), EVENTS);
}
