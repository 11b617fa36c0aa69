//! Functions as native code: the runtime's guarantees for components also hold for them.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::{future::join_all, join};
use twin_capabilities::{
    Verifier,
    credentials::{Caller, Denied, Presented},
    function::{
        CallError,
        FunctionName::{Connector, Ingestion, Writer},
        Functions,
    },
};
use twin_native::{Capabilities, Native, NativeSettings, Time};
use twin_tests::{
    READING, Stage,
    bodies::{ENVELOPE_L2, ENVELOPE_L3},
    error, post, received,
};

/// How long the peer of an ingestion takes.
const SLOW: Duration = Duration::from_secs(1);

/// A native ingestion whose writer takes a second.
async fn slow_ingestion() -> Stage {
    let stage = Stage::of(Ingestion).native().calls(2).build().await;
    let received = |_, _: &_| (SLOW, Ok(received("x")));
    stage.peers.script("writer", received);
    stage
}

#[tokio::test(start_paused = true)]
async fn native_calls_beyond_the_limit_are_told_to_come_again() {
    let stage = slow_ingestion().await;
    let calls = (0..3).map(|_| stage.try_call(post("/ingest", ENVELOPE_L2)));
    let mut answers = join_all(calls).await;
    answers.sort_by_key(Result::is_err);
    assert!(answers[..2].iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(answers[2], Err(CallError::Overloaded(Ingestion)));
    let told = stage.call(post("/ingest", ENVELOPE_L2)).await;
    assert_eq!(told.status, 200, "there is room again");
}

#[tokio::test(start_paused = true)]
async fn native_functions_that_stop_end_their_calls_and_take_no_more() {
    let stage = slow_ingestion().await;
    let stopped = async {
        tokio::time::sleep(SLOW / 4).await;
        stage.runtime.stop(Duration::from_secs(10)).await
    };
    let late = async {
        tokio::time::sleep(SLOW / 2).await;
        stage.try_call(post("/ingest", ENVELOPE_L2)).await
    };
    let (answer, stopped, late) = join!(stage.call(post("/ingest", ENVELOPE_L2)), stopped, late);
    assert_eq!(answer.status, 200);
    assert!(stopped);
    assert_eq!(late, Err(CallError::Overloaded(Ingestion)));
    assert_eq!(stage.elapsed_ms(), 1_000, "it waits no longer than it must");
}

#[tokio::test(start_paused = true)]
async fn native_functions_do_not_stop_later_than_they_are_told_to() {
    let stage = slow_ingestion().await;
    let stopped = async {
        tokio::time::sleep(SLOW / 4).await;
        let stopped = stage.runtime.stop(SLOW / 4).await;
        (stopped, stage.elapsed_ms())
    };
    let (_, stopped) = join!(stage.call(post("/ingest", ENVELOPE_L2)), stopped);
    assert_eq!(stopped, (false, 500));
}

#[tokio::test(start_paused = true)]
async fn a_native_call_goes_on_if_its_caller_does_not_wait() {
    let stage = Stage::of(Connector).native().build().await;
    stage.peers.answer("ingestion", |_, _| Ok(error(503)));
    let call = stage.try_call(post("/telemetry", READING));
    let waited = tokio::time::timeout(Duration::from_millis(500), call).await;
    assert!(waited.is_err(), "it waits to retry");
    assert_eq!(stage.peers.times_ms(), [0]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(stage.peers.times_ms(), [0, 1_000, 3_000, 7_000]);
    assert_eq!(stage.letters().await.len(), 1);
}

/// A verifier that never returns.
struct Never;

#[async_trait]
impl Verifier for Never {
    async fn verify(&self, _: Presented) -> Result<Caller, Denied> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_native_call_that_never_answers_is_given_up_after_its_deadline() {
    let stage = Stage::of(Writer).native().build().await;
    let settings = NativeSettings {
        concurrent_calls: 1,
        deadline: Duration::from_secs(5),
        ..NativeSettings::default()
    };
    let time = Time::real();
    let native = Native::new(&[Writer], &settings, |_| Capabilities {
        settings: Arc::new(stage.settings.clone()),
        verifier: Arc::new(Never),
        peers: Arc::new(stage.peers.clone()),
        stores: stage.stores.stores(),
        time: time.clone(),
    });
    let exceeded = CallError::DeadlineExceeded {
        function: Writer,
        after: Duration::from_secs(6),
    };
    for _ in 0..2 {
        let answer = native.call(Writer, post("/write", ENVELOPE_L3)).await;
        assert_eq!(answer, Err(exceeded.clone()), "its place is free again");
    }
    assert_eq!(stage.elapsed_ms(), 12_000);
    let answer = native.call(Connector, post("/telemetry", READING)).await;
    assert_eq!(answer, Err(CallError::NotMounted(Connector)));
}
