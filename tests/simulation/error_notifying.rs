//! Error reporter: notifies the management backend once about each error, without waiting for it.

use std::time::Duration;

use twin_capabilities::peers::SendFailure;
use twin_tests::{
    SYSTEM_ERRORS,
    bodies::{SYSTEM_ERROR, with},
    error, reply,
};

use crate::error_reporter::{report, reporter};

#[tokio::test(start_paused = true)]
async fn an_error_is_stored_and_told_once_however_often_it_is_delivered() {
    let stage = reporter().await;
    stage.peers.answer("management", |_, _| Ok(reply(204, b"")));
    for _ in 0..3 {
        assert_eq!(stage.call(report("id-1", SYSTEM_ERROR)).await.status, 200);
    }
    let other = with(SYSTEM_ERROR, "message", "\"another\"");
    let told = stage.call(report("id-1", &other)).await;
    assert_eq!((told.status, told.code()), (409, "ID_REUSED"));
    assert_eq!(stage.records(SYSTEM_ERRORS, "test-twin").await.len(), 1);
    let arrivals = stage.peers.arrivals();
    assert_eq!(arrivals.len(), 1);
    assert_eq!(arrivals[0].peer, "management");
    assert_eq!(arrivals[0].request.method, "POST");
    assert_eq!(arrivals[0].body(), SYSTEM_ERROR);
    assert_eq!(arrivals[0].header("idempotency-key"), Some("id-1"));
    assert_eq!(arrivals[0].timeout, Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_management_backend_that_fails_costs_one_attempt_and_nothing_else() {
    for failure in [
        Ok(error(500)),
        Ok(error(401)),
        Ok(error(429)),
        Err(SendFailure::Unreachable("no route".to_owned())),
        Err(SendFailure::RefusedByPolicy("plain http".to_owned())),
    ] {
        let stage = reporter().await;
        stage
            .peers
            .answer("management", move |_, _| failure.clone());
        assert_eq!(stage.call(report("id-1", SYSTEM_ERROR)).await.status, 200);
        assert_eq!(stage.peers.times_ms(), [0]);
        assert_eq!(stage.records(SYSTEM_ERRORS, "test-twin").await.len(), 1);
        assert!(stage.events().await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_management_backend_that_is_slow_is_waited_for_two_seconds() {
    let stage = reporter().await;
    let slow = Duration::from_secs(60);
    stage
        .peers
        .script("management", move |_, _| (slow, Ok(reply(204, b""))));
    assert_eq!(stage.call(report("id-1", SYSTEM_ERROR)).await.status, 200);
    assert_eq!(stage.elapsed_ms(), 2_000);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_cannot_be_stored_is_a_503_and_neither_told_nor_reported() {
    let stage = reporter().await;
    stage.peers.answer("management", |_, _| Ok(reply(204, b"")));
    stage.records_fail(true);
    let told = stage.call(report("id-1", SYSTEM_ERROR)).await;
    assert_eq!((told.status, told.code()), (503, "STORE_UNAVAILABLE"));
    assert_eq!(told.header("retry-after"), Some("1"));
    assert!(stage.peers.arrivals().is_empty());
    assert!(stage.events().await.is_empty());
}
