//! Connector: one circuit for all instances and all hosts of a cloud.

use std::time::Duration;

use futures_util::future::join_all;
use twin_tests::{Stage, Watch, causes, connector, failing, received, seconds, without_retries};

/// Two hosts on the same stores and peers.
async fn two() -> (Stage, Stage) {
    let first = without_retries().build().await;
    let second = without_retries().beside(&first).build().await;
    (first, second)
}

#[tokio::test(start_paused = true)]
async fn failures_that_each_host_sees_only_half_of_open_it() {
    let (first, second) = two().await;
    first.peers.answer("ingestion", |_, _| failing());
    for (host, expected) in [
        (&first, "failing"),
        (&second, "failing"),
        (&first, "failing"),
        (&second, "open"),
    ] {
        host.send("m").await;
        assert_eq!(first.circuit("ingestion").await, expected);
        seconds(20).await;
    }
    assert_eq!(first.events_of("CIRCUIT_OPENED").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_success_that_another_host_sees_begins_anew() {
    let (first, second) = two().await;
    first.peers.answer("ingestion", |_, _| failing());
    first.send("m").await;
    seconds(30).await;
    second.peers.answer("ingestion", |_, _| Ok(received("x")));
    second.send("n").await;
    seconds(30).await;
    first.peers.answer("ingestion", |_, _| failing());
    first.send("o").await;
    assert_eq!(first.circuit("ingestion").await, "failing");
}

#[tokio::test(start_paused = true)]
async fn what_one_host_opened_another_heeds_a_second_later() {
    let (first, second) = two().await;
    first.peers.answer("ingestion", |_, _| failing());
    first.fail_for_a_minute().await;
    seconds(1).await;
    let before = first.peers.arrivals().len();
    assert_eq!(second.send("m").await.status, 202);
    assert_eq!(first.peers.arrivals().len(), before, "no attempt");
}

#[tokio::test(start_paused = true)]
async fn what_one_host_closed_is_closed_for_another() {
    let (first, second) = two().await;
    first.open_circuit("ingestion", 10).await;
    first.peers.answer("ingestion", |_, _| Ok(received("x")));
    assert_eq!(second.send("refused").await.status, 202);
    seconds(10).await;
    assert_eq!(first.send("probe").await.status, 200);
    assert_eq!(second.send("m").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn of_two_hosts_one_probes() {
    let (first, second) = two().await;
    first.open_circuit("ingestion", 10).await;
    first.peers.script("ingestion", |_, _| {
        (Duration::from_secs(5), Ok(received("x")))
    });
    // Both have seen that it is open.
    first.send("a").await;
    second.send("b").await;
    seconds(10).await;
    let (one, other) = futures_util::join!(first.send_many("c", 10), second.send_many("d", 10));
    let delivered = one.iter().chain(&other).filter(|told| told.status == 200);
    assert_eq!(delivered.count(), 1);
    assert_eq!(first.peers.arrivals().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn all_instances_of_a_host_share_it() {
    let stage = connector().instances(4).build().await;
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    stage.open_circuit("ingestion", 10).await;
    let told = stage.send_many("refused", 40).await;
    assert!(told.iter().all(|told| told.status == 202), "{told:?}");
    assert!(stage.peers.arrivals().is_empty());
    seconds(10).await;
    let told = stage.send_many("m", 40).await;
    let refused = stage.letters().await.len() - 40;
    let delivered = told.iter().filter(|told| told.status == 200).count();
    assert!(delivered >= 1, "the probe");
    assert_eq!(delivered + refused, 40);
    for stored in stage.letters().await {
        assert_eq!(causes(&stored.letter), ["circuit open"]);
    }
    assert_eq!(stage.events_of("CIRCUIT_CLOSED").await.len(), 1);
}

/// This many hosts on one slow store of circuits, which makes them race with each other.
async fn hosts_on_a_slow_store(count: usize) -> Vec<Stage> {
    let slow = || {
        let watch = Watch::slow(5);
        without_retries().watch(move |stores| watch.before(stores))
    };
    let mut hosts = vec![slow().build().await];
    while hosts.len() < count {
        let another = slow().beside(&hosts[0]).build().await;
        hosts.push(another);
    }
    hosts
}

#[tokio::test(start_paused = true)]
async fn whoever_loses_the_race_for_the_probe_is_refused() {
    let hosts = hosts_on_a_slow_store(3).await;
    hosts[0].open_circuit("ingestion", 0).await;
    hosts[0].peers.script("ingestion", |_, _| {
        (Duration::from_secs(2), Ok(received("x")))
    });
    let sending = hosts.iter().map(|host| host.send_many("m", 20));
    let told: Vec<_> = join_all(sending).await.concat();
    assert_eq!(hosts[0].peers.arrivals().len(), 1);
    let delivered = told.iter().filter(|told| told.status == 200).count();
    assert_eq!((delivered, told.len()), (1, 60));
    assert_eq!(hosts[0].events_of("CIRCUIT_CLOSED").await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn many_that_fail_at_once_write_and_tell_once() {
    let hosts = hosts_on_a_slow_store(3).await;
    hosts[0].peers.answer("ingestion", |_, _| failing());
    for (second, version, opened) in [(0, 1, 0), (30, 2, 0), (60, 3, 1)] {
        seconds(second - hosts[0].elapsed_ms() / 1_000).await;
        join_all(hosts.iter().map(|host| host.send_many("m", 20))).await;
        assert_eq!(hosts[0].circuit_version("ingestion").await, version);
        let events = hosts[0].events_of("CIRCUIT_OPENED").await;
        assert_eq!(events.len(), opened, "{second} s");
    }
    let reports = hosts[0].events_of("DELIVERY_DEAD_LETTERED").await;
    assert_eq!(reports.len(), 3, "one of three hosts at each time");
}
