//! The runtime: a function that cannot answer reports this, and does not keep its callers waiting.

use std::{sync::Arc, time::Duration};

use twin_host::{
    function::{CallError, FunctionName},
    runtime::Unanswering,
};
use twin_tests::{Stage, connector};

use crate::runtime::{call, rogue};

const WRITER: FunctionName = FunctionName::Writer;
const LOST: CallError = CallError::InstanceLost(WRITER);

/// More instances than one process can have.
const TOO_MANY: usize = 110;

#[tokio::test(start_paused = true)]
async fn each_function_is_ready_when_it_runs() {
    for function in FunctionName::ALL {
        let stage = Stage::of(function).build().await;
        assert_eq!(stage.runtime.ready().await, Ok(()), "{function}");
        assert_eq!(stage.elapsed_ms(), 0);
        assert!(stage.peers.arrivals().is_empty());
    }
    let stage = connector().with(FunctionName::Reader).instances(2);
    assert_eq!(stage.build().await.runtime.ready().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_function_that_loses_instance_after_instance_is_not_ready_until_it_answers() {
    let stage = rogue().build().await;
    for _ in 0..2 {
        assert_eq!(call(&stage, "/trap").await, Err(LOST));
        assert_eq!(stage.runtime.ready().await, Ok(()));
    }
    assert_eq!(call(&stage, "/trap").await, Err(LOST));
    let losing = Err(Unanswering::LosingInstances(WRITER));
    assert_eq!(stage.runtime.ready().await, losing);
    // An answered probe does not count as an answered call.
    assert_eq!(stage.runtime.ready().await, losing);
    assert!(call(&stage, "/ok").await.is_ok());
    assert_eq!(stage.runtime.ready().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_function_that_lost_its_instances_gets_another_chance_after_ten_seconds() {
    let stage = rogue().build().await;
    for _ in 0..3 {
        assert_eq!(call(&stage, "/trap").await, Err(LOST));
    }
    tokio::time::sleep(Duration::from_millis(9_900)).await;
    assert!(stage.runtime.ready().await.is_err());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(stage.runtime.ready().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_function_without_an_instance_is_not_ready_and_refuses_at_once() {
    // Each call occupies its own instance, until no more can be created.
    let stage = rogue().runtime(|settings| settings.calls_per_instance = 1);
    let stage = Arc::new(stage.build().await);
    for _ in 0..TOO_MANY {
        let stage = Arc::clone(&stage);
        tokio::spawn(async move { call(&stage, "/forever").await });
        tokio::task::yield_now().await;
    }
    assert_eq!(call(&stage, "/ok").await, Err(LOST));
    assert_eq!(
        stage.runtime.ready().await,
        Err(Unanswering::NoInstance(WRITER))
    );
    assert_eq!(stage.elapsed_ms(), 0, "calls are refused at once");
    // When the other instances are abandoned, there is room again.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(stage.runtime.ready().await, Ok(()));
    assert!(call(&stage, "/ok").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_function_at_its_limit_of_calls_is_not_ready_until_one_ends() {
    let stage = rogue().calls(2).build().await;
    let one = call(&stage, "/sleep");
    let more = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(stage.runtime.ready().await, Ok(()), "one more is taken");
        let other = call(&stage, "/sleep");
        let meanwhile = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let refused = call(&stage, "/ok").await;
            assert_eq!(refused, Err(CallError::Overloaded(WRITER)));
            let ready = stage.runtime.ready().await;
            assert_eq!(ready, Err(Unanswering::AtLimit(WRITER)));
            // The first one ends after a second.
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(stage.runtime.ready().await, Ok(()));
        };
        let (answer, ()) = futures_util::join!(other, meanwhile);
        assert!(answer.is_ok());
    };
    let (answer, ()) = futures_util::join!(one, more);
    assert!(answer.is_ok());
}
