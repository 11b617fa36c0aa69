//! The error topic: what is published waits until it was forwarded.

use std::{collections::HashSet, time::Duration};

use futures_util::future::join_all;
use twin_capabilities::error_topic::{Severity, SystemError};
use twin_host::providers::{Event, Stores};

use crate::{house::House, samples::system_error};

every_provider!(
    an_error_waits_as_it_was_published,
    events_come_in_the_order_of_publishing,
    an_event_is_handed_to_one_at_a_time,
    a_lease_does_not_outlast_its_length_when_the_clock_is_set_back,
    a_settled_event_is_gone,
    a_released_event_is_free,
    events_belong_to_a_twin,
    of_many_who_forward_each_event_has_one_holder,
);

async fn publish(stores: &Stores, error_code: &str) {
    let publish = stores.error_topic.publish(system_error(error_code));
    publish.await.unwrap();
}

async fn pending(stores: &Stores, limit: u32) -> Vec<Event> {
    let lease = Duration::from_secs(1);
    stores
        .outbox
        .as_ref()
        .unwrap()
        .pending(limit, lease)
        .await
        .unwrap()
}

fn codes(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event.error.error_code.as_str())
        .collect()
}

async fn an_error_waits_as_it_was_published(house: House) {
    let severities = [Severity::Critical, Severity::Warning, Severity::Info];
    let errors = severities.map(|severity| SystemError {
        severity,
        raw_data: (severity == Severity::Critical).then(|| "\0 {".to_owned()),
        ..system_error("STORE_FAILED")
    });
    for error in &errors {
        house
            .open()
            .error_topic
            .publish(error.clone())
            .await
            .unwrap();
    }

    let events = pending(&house.open(), 10).await;

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

async fn events_come_in_the_order_of_publishing(house: House) {
    let stores = house.open();
    for error_code in ["D", "A", "C", "B"] {
        publish(&stores, error_code).await;
    }
    assert!(pending(&stores, 0).await.is_empty());
    assert_eq!(codes(&pending(&stores, 3).await), ["D", "A", "C"]);
    assert_eq!(codes(&pending(&stores, 3).await), ["B"]);
}

async fn an_event_is_handed_to_one_at_a_time(house: House) {
    let stores = house.open();
    publish(&stores, "A").await;
    let first = pending(&stores, 1).await;
    house.turn(999_999);
    assert!(pending(&house.open(), 1).await.is_empty());
    house.turn(1);
    let second = pending(&house.open(), 1).await;
    assert_eq!(second[0].id, first[0].id);
    assert_eq!(second[0].attempts, 2);

    publish(&stores, "B").await;
    let forever = stores
        .outbox
        .as_ref()
        .unwrap()
        .pending(1, Duration::MAX)
        .await
        .unwrap();
    assert_eq!(codes(&forever), ["B"]);
    house.turn(i64::from(u32::MAX) * 1_000_000);
    assert_eq!(codes(&pending(&stores, 2).await), ["A"]);
}

async fn a_lease_does_not_outlast_its_length_when_the_clock_is_set_back(house: House) {
    const DAY: i64 = 86_400_000_000;
    house.turn(DAY);
    let stores = house.open();
    publish(&stores, "A").await;
    assert_eq!(pending(&stores, 10).await.len(), 1);
    assert_eq!(pending(&stores, 10).await.len(), 0);
    house.turn(-DAY);
    assert_eq!(pending(&house.open(), 10).await.len(), 1);
    assert_eq!(pending(&stores, 10).await.len(), 0);
}

async fn a_settled_event_is_gone(house: House) {
    let stores = house.open();
    publish(&stores, "A").await;
    publish(&stores, "A").await;
    let events = pending(&stores, 2).await;
    assert_ne!(events[0].id, events[1].id);

    // Twice, as two forwarders would whose leases overlapped.
    for _ in 0..2 {
        let settle = stores.outbox.as_ref().unwrap().settle(events[0].id.clone());
        settle.await.unwrap();
    }

    house.turn(1_000_000);
    let left = pending(&stores, 2).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].id, events[1].id);
}

async fn a_released_event_is_free(house: House) {
    let stores = house.open();
    publish(&stores, "A").await;
    let event = pending(&stores, 1).await.remove(0);
    stores
        .outbox
        .as_ref()
        .unwrap()
        .release(event.id.clone())
        .await
        .unwrap();
    assert_eq!(
        pending(&stores, 1).await,
        [Event {
            attempts: 2,
            ..event
        }]
    );
    stores
        .outbox
        .as_ref()
        .unwrap()
        .release("none".to_owned())
        .await
        .unwrap();
}

async fn events_belong_to_a_twin(house: House) {
    let (stores, other) = (house.open(), house.open_for("factory-02"));
    publish(&stores, "A").await;
    assert!(pending(&other, 1).await.is_empty());
    let event = pending(&stores, 1).await.remove(0);
    other
        .outbox
        .as_ref()
        .unwrap()
        .settle(event.id)
        .await
        .unwrap();
    house.turn(1_000_000);
    assert_eq!(codes(&pending(&stores, 1).await), ["A"]);
}

async fn of_many_who_forward_each_event_has_one_holder(house: House) {
    const EVENTS: usize = 100;
    let houses = [house.open(), house.open()];
    join_all((0..EVENTS).map(|number| {
        let stores = houses[number % 2].clone();
        async move { publish(&stores, "A").await }
    }))
    .await;
    let forwarders = (0..8).map(|forwarder| {
        let stores = houses[forwarder % 2].clone();
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
