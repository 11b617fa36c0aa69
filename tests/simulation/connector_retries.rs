//! Connector: when it tries again (spec §4).

use futures_util::future::join_all;
use twin_capabilities::peers::{Reply, SendFailure};
use twin_tests::{READING, Stage, causes, connector, error, failing, keyed, post, received};

/// A peer that fails in this way this many times, or always, and then receives.
fn script(stage: &Stage, times: usize, outcome: Result<Reply, SendFailure>) {
    stage.peers.answer("ingestion", move |nth, _| {
        if nth < times {
            outcome.clone()
        } else {
            Ok(received("x"))
        }
    });
}

#[tokio::test(start_paused = true)]
async fn retries_after_1_2_and_4_seconds_with_identical_bytes() {
    let stage = connector().build().await;
    script(&stage, 3, failing());
    let told = stage.call(post("/telemetry", READING)).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(stage.peers.times_ms(), [0, 1_000, 3_000, 7_000]);
    let arrivals = stage.peers.arrivals();
    for arrival in &arrivals {
        assert_eq!(arrival.body(), arrivals[0].body());
        assert_eq!(
            arrival.header("idempotency-key"),
            arrivals[0].header("idempotency-key")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn after_three_retries_it_gives_up() {
    let stage = connector().build().await;
    script(&stage, 9, failing());
    let told = stage.send("m").await;
    assert_eq!(told.status, 202, "{told:?}");
    assert_eq!(stage.elapsed_ms(), 7_000, "no wait after the last attempt");
    assert_eq!(causes(&stage.letter().await), ["HTTP 503"; 4]);
}

#[tokio::test(start_paused = true)]
async fn whatever_may_pass_is_retried() {
    let mut outcomes: Vec<_> = [408, 425, 429, 500, 501, 502, 503, 504, 507, 599]
        .map(|status| Ok(error(status)))
        .into();
    outcomes.extend([
        Err(SendFailure::Unreachable("refused".to_owned())),
        Err(SendFailure::TimedOut),
        Err(SendFailure::CredentialsUnavailable("vault".to_owned())),
    ]);
    for outcome in outcomes {
        let stage = connector().build().await;
        script(&stage, 1, outcome.clone());
        let told = stage.send("m").await;
        assert_eq!(told.status, 200, "{outcome:?}: {told:?}");
        assert_eq!(stage.peers.times_ms(), [0, 1_000], "{outcome:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_schedule_is_what_the_settings_say() {
    for (settings, times) in [
        (
            &[("RETRY_INITIAL_MS", "200")][..],
            &[0, 200, 600, 1_400][..],
        ),
        (&[("RETRY_MULTIPLIER", "1.5")], &[0, 1_000, 2_500, 4_750]),
        (&[("RETRY_MAX", "1")], &[0, 1_000]),
        (&[("RETRY_MAX", "0")], &[0]),
        (
            &[
                ("RETRY_INITIAL_MS", "100"),
                ("RETRY_MULTIPLIER", "1"),
                ("RETRY_MAX", "5"),
            ],
            &[0, 100, 200, 300, 400, 500],
        ),
        // A value outside its range is ignored, and the specification's is used.
        (
            &[
                ("RETRY_INITIAL_MS", "soon"),
                ("RETRY_MULTIPLIER", "0.5"),
                ("RETRY_MAX", "-1"),
            ],
            &[0, 1_000, 3_000, 7_000],
        ),
    ] {
        let builder = settings.iter().fold(connector(), |builder, (name, value)| {
            builder.set(name, value)
        });
        let stage = builder.build().await;
        script(&stage, 99, failing());
        assert_eq!(stage.send("m").await.status, 202, "{settings:?}");
        assert_eq!(stage.peers.times_ms(), times, "{settings:?}");
    }
}

/// The first waits of 30 messages, one after the other.
async fn first_waits(jitter_percent: &str) -> Vec<u64> {
    let stage = connector().set("RETRY_JITTER_PERCENT", jitter_percent);
    let stage = stage.build().await;
    stage.peers.answer("ingestion", |nth, _| {
        Ok(if nth % 2 == 0 {
            error(503)
        } else {
            received("x")
        })
    });
    let mut waits = Vec::new();
    for n in 0..30 {
        let before = stage.elapsed_ms();
        assert_eq!(stage.send(&format!("m{n}")).await.status, 200);
        waits.push(stage.elapsed_ms() - before);
    }
    waits
}

#[tokio::test(start_paused = true)]
async fn jitter_adds_up_to_10_percent_and_differs_from_wait_to_wait() {
    // A value that is not a number is ignored, and the default of 10 is used.
    for setting in ["10", "default"] {
        let waits = first_waits(setting).await;
        assert!(
            waits.iter().all(|wait| (1_000..=1_101).contains(wait)),
            "{waits:?}"
        );
        let (least, most) = (waits.iter().min(), waits.iter().max());
        assert!(least < Some(&1_030) && most > Some(&1_070), "{waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn jitter_can_be_switched_off() {
    assert_eq!(first_waits("0").await, [1_000; 30]);
}

#[tokio::test(start_paused = true)]
async fn two_thousand_deliveries_wait_in_one_instance_and_all_finish() {
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |nth, _| {
        Ok(if nth < 4_000 {
            error(503)
        } else {
            received("x")
        })
    });
    let ids: Vec<_> = (0..2_000).map(|n| format!("m{n}")).collect();
    let told = join_all(ids.iter().map(|id| stage.call(keyed(id)))).await;
    assert!(told.iter().all(|told| told.status == 200));
    assert_eq!(stage.elapsed_ms(), 3_000, "all at once, not one by one");
    let sent = stage.sent_by_id();
    assert_eq!(sent.len(), 2_000);
    assert!(sent.values().all(|times| *times == 3), "{sent:?}");
    assert!(stage.letters().await.is_empty());
}
