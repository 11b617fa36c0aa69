//! The runtime: many calls at once in each instance, up to its limit, all of which are completed when it stops.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::Value;
use twin_host::function::{CallError, FunctionName, Functions, Response};
use twin_tests::{Stage, StageBuilder, get, test_components};

/// The component that misbehaves, loaded as the writer.
pub(crate) fn rogue() -> StageBuilder {
    Stage::of(FunctionName::Writer).runtime(|settings| {
        settings.components = test_components();
    })
}

const OVERLOADED: CallError = CallError::Overloaded(FunctionName::Writer);

pub(crate) async fn call(stage: &Stage, path: &str) -> Result<Response, CallError> {
    stage.try_call(get(path)).await
}

pub(crate) async fn calls(stage: &Stage, paths: &[&str]) -> Vec<Result<Response, CallError>> {
    join_all(paths.iter().map(|path| call(stage, path))).await
}

/// A number that the component reports about itself.
pub(crate) fn number(answer: &Result<Response, CallError>, name: &str) -> u64 {
    let response = answer.as_ref().expect("an answer");
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    body[name].as_u64().unwrap()
}

#[tokio::test(start_paused = true)]
async fn one_instance_serves_many_calls_at_once() {
    let stage = rogue().build().await;
    let answers = calls(&stage, &["/sleep"; 2_000]).await;
    assert_eq!(stage.elapsed_ms(), 1_000);
    // When the first one wakes, the others are still sleeping.
    assert_eq!(number(&answers[0], "under_way"), 2_000);
    assert!(answers.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_limit_are_told_to_come_again() {
    let stage = rogue().calls(3).build().await;
    let mut answers = calls(&stage, &["/sleep"; 5]).await;
    answers.sort_by_key(Result::is_err);
    assert!(answers[..3].iter().all(Result::is_ok));
    assert_eq!(answers[3], Err(OVERLOADED));
    assert_eq!(answers[4], Err(OVERLOADED));
    assert!(calls(&stage, &["/ok"; 3]).await.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn instances_share_the_calls() {
    // Two calls at once, one in each instance.
    let stage = rogue().instances(2).calls(2).build().await;
    let answers = calls(&stage, &["/sleep"; 2]).await;
    assert_eq!(stage.elapsed_ms(), 1_000);
    for answer in &answers {
        assert_eq!(number(answer, "call"), 1);
        assert_eq!(number(answer, "under_way"), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn an_instance_is_replaced_after_its_share_of_calls_and_no_call_is_lost() {
    let stage = rogue().runtime(|settings| settings.calls_per_instance = 3);
    let stage = stage.build().await;
    for calls_at_once in [1, 10] {
        for _ in 0..3 {
            let answers = calls(&stage, &vec!["/sleep"; calls_at_once]).await;
            let ordinals = answers.iter().map(|answer| number(answer, "call"));
            assert!(ordinals.max() <= Some(3));
        }
    }
    // 33 calls have been answered, so the next one is the first of a new instance.
    assert_eq!(number(&call(&stage, "/ok").await, "call"), 1);
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_the_calls_under_way_and_takes_no_more() {
    let stage = rogue().build().await;
    let stopped = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stage.runtime.stop(Duration::from_secs(10)).await
    };
    let late = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        call(&stage, "/ok").await
    };
    let (answer, stopped, late) = futures_util::join!(call(&stage, "/sleep"), stopped, late);
    assert!(answer.is_ok());
    assert!(stopped);
    assert_eq!(late, Err(OVERLOADED));
    assert_eq!(stage.elapsed_ms(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_longer_than_it_is_told() {
    let stage = rogue().build().await;
    let stopped = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stage.runtime.stop(Duration::from_secs(3)).await
    };
    let (answer, stopped) = futures_util::join!(call(&stage, "/forever"), async {
        let stopped = stopped.await;
        (stopped, stage.elapsed_ms())
    });
    assert_eq!(stopped, (false, 3_200));
    assert!(answer.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_function_that_is_not_mounted_is_not_called() {
    let stage = rogue().build().await;
    let answer = stage.runtime.call(FunctionName::Reader, get("/read"));
    assert_eq!(
        answer.await,
        Err(CallError::NotMounted(FunctionName::Reader))
    );
}
