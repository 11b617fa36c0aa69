//! Connector: `Retry-After`.

use std::time::Duration;

use twin_tests::{Stage, causes, connector, received, reply_with};

/// A peer that answers 503 with `Retry-After` this many times, and then receives.
fn busy(stage: &Stage, times: usize, retry_after: &'static str) {
    stage.peers.answer("ingestion", move |nth, _| {
        if nth < times {
            Ok(reply_with(503, &[("retry-after", retry_after)], b"{}"))
        } else {
            Ok(received("x"))
        }
    });
}
#[tokio::test(start_paused = true)]
async fn waits_the_larger_of_backoff_and_retry_after() {
    for (retry_after, times) in [
        ("2", [0, 2_000, 4_000, 8_000]),
        ("3", [0, 3_000, 6_000, 10_000]),
        ("0", [0, 1_000, 3_000, 7_000]),
        ("soon", [0, 1_000, 3_000, 7_000]),
        // The stage's clock starts at 00:00:00.
        ("Thu, 01 Jan 2026 00:00:05 GMT", [0, 5_000, 7_000, 11_000]),
        ("Thu, 01 Jan 2026 00:00:06 GMT", [0, 6_000, 8_000, 12_000]),
        ("Wed, 31 Dec 2025 23:59:59 GMT", [0, 1_000, 3_000, 7_000]),
        // Other forms that gateways send.
        ("4.2", [0, 5_000, 10_000, 15_000]),
        ("+5s", [0, 5_000, 10_000, 15_000]),
        (r#""5", 2"#, [0, 5_000, 10_000, 15_000]),
        (
            "Thursday, 01-Jan-26 00:00:05 GMT",
            [0, 5_000, 7_000, 11_000],
        ),
        ("Thu Jan  1 00:00:05 2026", [0, 5_000, 7_000, 11_000]),
        ("2026-01-01T00:00:05Z", [0, 5_000, 7_000, 11_000]),
    ] {
        let stage = connector().build().await;
        busy(&stage, 3, retry_after);
        assert_eq!(stage.send("m").await.status, 200, "{retry_after}");
        assert_eq!(stage.peers.times_ms(), times, "{retry_after}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_beyond_30_seconds_is_a_letter_at_once() {
    for retry_after in [
        "31",
        "3600",
        "Thu, 01 Jan 2026 00:00:31 GMT",
        "120.5",
        "30.1",
        "2 min",
        "99999999999999999999999",
    ] {
        let stage = connector().set("FUNCTION_DEADLINE_MS", "120000");
        let stage = stage.build().await;
        busy(&stage, 1, retry_after);
        assert_eq!(stage.send("m").await.status, 202, "{retry_after}");
        assert_eq!(stage.elapsed_ms(), 0, "{retry_after}");
        let letter = stage.letter().await;
        assert_eq!(
            causes(&letter),
            ["HTTP 503; the peer asked for more than 30 s"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_of_30_seconds_is_waited_where_there_is_time() {
    let stage = connector()
        .set("FUNCTION_DEADLINE_MS", "120000")
        // The host waits as long as the component's deadline.
        .runtime(|settings| settings.deadline = Duration::from_secs(120));
    let stage = stage.build().await;
    busy(&stage, 1, "30");
    assert_eq!(stage.send("m").await.status, 200);
    assert_eq!(stage.peers.times_ms(), [0, 30_000]);
}

#[tokio::test(start_paused = true)]
async fn the_longest_of_several_headers_counts() {
    for headers in [
        &[("x-ms-retry-after-ms", "5000")][..],
        &[("retry-after-ms", "5000"), ("retry-after", "2")],
        &[("retry-after", "2"), ("retry-after", "5")],
        &[("retry-after", "soon"), ("retry-after", "5")],
    ] {
        let stage = connector().build().await;
        stage.peers.answer("ingestion", move |nth, _| match nth {
            0 => Ok(reply_with(503, headers, b"{}")),
            _ => Ok(received("x")),
        });
        assert_eq!(stage.send("m").await.status, 200, "{headers:?}");
        assert_eq!(stage.peers.times_ms(), [0, 5_000], "{headers:?}");
    }
}
