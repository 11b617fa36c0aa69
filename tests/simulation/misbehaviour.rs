//! The runtime: a misbehaving component affects neither the rest of its function nor its callers.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use twin_host::function::{CallError, FunctionName};
use twin_tests::StageBuilder;

use crate::runtime::{call, calls, number, rogue};

const LOST: CallError = CallError::InstanceLost(FunctionName::Writer);

#[tokio::test(start_paused = true)]
async fn a_trap_loses_the_calls_of_its_instance_and_the_function_serves_on() {
    let stage = rogue().build().await;
    let answers = calls(&stage, &["/sleep", "/sleep", "/trap"]).await;
    assert_eq!(answers, [Err(LOST), Err(LOST), Err(LOST)]);
    assert_eq!(number(&call(&stage, "/ok").await, "call"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_trap_loses_no_call_of_another_instance() {
    let stage = rogue().instances(2).calls(2).build().await;
    let answers = calls(&stage, &["/sleep", "/trap"]).await;
    assert_eq!(number(&answers[0], "call"), 1);
    assert_eq!(answers[1], Err(LOST));
    let answers = calls(&stage, &["/sleep"; 2]).await;
    assert!(answers.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn many_traps_in_a_row_do_not_wear_the_function_out() {
    let stage = rogue().build().await;
    for _ in 0..150 {
        assert_eq!(call(&stage, "/trap").await, Err(LOST));
    }
    assert!(call(&stage, "/ok").await.is_ok());
    assert_eq!(stage.elapsed_ms(), 0);
}

/// A limit of a tenth of a second of real time, which keeps the tests short.
fn impatient() -> StageBuilder {
    rogue().runtime(|settings| settings.longest_computation = Duration::from_millis(100))
}

#[tokio::test(start_paused = true)]
async fn a_component_that_computes_without_end_is_stopped() {
    let stage = impatient().build().await;
    assert_eq!(call(&stage, "/spin").await, Err(LOST));
    assert!(call(&stage, "/ok").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_component_that_computes_makes_way_for_other_instances() {
    let stage = impatient().instances(2).calls(2).build().await;
    // On one thread: other calls are served while it spins.
    let (stage, order) = (Arc::new(stage), Arc::new(Mutex::new(Vec::new())));
    let calls = ["/spin", "/ok"].map(|path| {
        let (stage, order) = (Arc::clone(&stage), Arc::clone(&order));
        tokio::spawn(async move {
            let answer = call(&stage, path).await;
            order.lock().unwrap().push((path, answer.is_ok()));
        })
    });
    for call in calls {
        call.await.unwrap();
    }
    let order = order.lock().unwrap();
    assert_eq!(*order, [("/ok", true), ("/spin", false)]);
}

#[tokio::test(start_paused = true)]
async fn a_component_that_allocates_without_end_is_stopped() {
    let stage = rogue().build().await;
    for _ in 0..3 {
        assert_eq!(call(&stage, "/hog").await, Err(LOST));
        assert!(call(&stage, "/ok").await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_component_that_never_answers_is_given_up_and_replaced() {
    let stage = rogue().runtime(|settings| settings.deadline = Duration::from_secs(5));
    let stage = stage.build().await;
    let given_up = CallError::DeadlineExceeded {
        function: FunctionName::Writer,
        // The deadline plus a grace period, because the component should answer first.
        after: Duration::from_secs(6),
    };
    assert_eq!(call(&stage, "/forever").await, Err(given_up));
    assert_eq!(stage.elapsed_ms(), 6_000);
    // Its instance is not used again: the next call is the first one of another instance.
    assert_eq!(number(&call(&stage, "/ok").await, "call"), 1);
}

#[tokio::test(start_paused = true)]
async fn calls_that_never_answer_do_not_hold_their_place_for_ever() {
    let stage = rogue().calls(2).build().await;
    let answers = calls(&stage, &["/forever"; 2]).await;
    assert!(answers.iter().all(Result::is_err));
    // The instance notices at the same instant as the caller.
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(calls(&stage, &["/ok"; 2]).await.iter().all(Result::is_ok));
}

#[tokio::test(start_paused = true)]
async fn a_component_sees_no_environment_no_arguments_and_no_files() {
    assert!(std::env::vars_os().count() > 0);
    let stage = rogue().build().await;
    let answer = call(&stage, "/look").await;
    for name in ["variables", "arguments", "files"] {
        assert_eq!(number(&answer, name), 0, "{name}");
    }
}
