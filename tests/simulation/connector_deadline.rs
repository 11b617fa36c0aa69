//! Connector: how long it takes at most, and the time limits that it sends to its peers.

use std::time::Duration;

use twin_capabilities::{error_topic::Severity, peers::SendFailure};
use twin_host::function::{FunctionName, Request};
use twin_tests::{
    Stage, StageBuilder, attempt_times_ms, causes, connector, error, failing, keyed, post,
    received, with_header,
};

/// How long each attempt would wait, as the peer and as the host were told.
fn timeouts_ms(stage: &Stage) -> Vec<u64> {
    let arrivals = stage.peers.arrivals().into_iter();
    arrivals
        .map(|arrival| {
            let told = arrival.header("x-twin-timeout-ms").expect("the header");
            assert_eq!(told, arrival.timeout.as_millis().to_string());
            told.parse().unwrap()
        })
        .collect()
}

/// A peer that never answers.
fn silent(stage: &Stage) {
    stage.peers.script("ingestion", |_, _| {
        (Duration::from_secs(3_600), Ok(received("too late")))
    });
}

#[tokio::test(start_paused = true)]
async fn an_attempt_takes_10_seconds_and_everything_25() {
    let stage = connector().build().await;
    silent(&stage);
    let told = stage.send("m").await;
    assert_eq!(told.status, 202, "{told:?}");
    assert_eq!(stage.peers.times_ms(), [0, 11_000, 23_000]);
    assert_eq!(timeouts_ms(&stage), [10_000, 10_000, 1_500]);
    assert_eq!(stage.elapsed_ms(), 24_500, "half a second for the letter");
    let letter = stage.letter().await;
    assert_eq!(attempt_times_ms(&letter), [10_000, 21_000, 24_500]);
    assert_eq!(
        causes(&letter),
        [
            "timed out",
            "timed out",
            "timed out; no time left for another attempt"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_time_of_an_attempt_is_a_setting() {
    let stage = connector().set("ATTEMPT_TIMEOUT_MS", "2000").build().await;
    silent(&stage);
    assert_eq!(stage.send("m").await.status, 202);
    assert_eq!(stage.peers.times_ms(), [0, 3_000, 7_000, 13_000]);
    assert_eq!(timeouts_ms(&stage), [2_000; 4]);
}

#[tokio::test(start_paused = true)]
async fn the_shortest_of_own_limit_hosts_limit_and_senders_patience_less_its_reserve_counts() {
    let own = |ms| connector().set("FUNCTION_DEADLINE_MS", ms);
    let host = |ms| Request {
        time_left_ms: Some(ms),
        ..keyed("m")
    };
    let sender = |ms| with_header(keyed("m"), "x-twin-timeout-ms", ms);
    let cases: Vec<(&str, StageBuilder, Request)> = vec![
        ("own", own("5000"), keyed("m")),
        ("host", connector(), host(5_000)),
        ("sender", connector(), sender("5500")),
        ("own, the shortest", own("5000"), sender("9000")),
        ("sender, the shortest", own("9000"), sender("5500")),
        (
            "host, the shortest",
            own("9000"),
            with_header(host(5_000), "x-twin-timeout-ms", "9000"),
        ),
    ];
    for (name, builder, request) in cases {
        let stage = builder.build().await;
        stage.peers.answer("ingestion", |_, _| failing());
        assert_eq!(stage.call(request).await.status, 202, "{name}");
        // 0.5 s of the 5 s are reserved for the letter; the third wait would end at 7 s.
        assert_eq!(stage.peers.times_ms(), [0, 1_000, 3_000], "{name}");
        assert_eq!(timeouts_ms(&stage), [4_500, 3_500, 1_500], "{name}");
        assert_eq!(
            stage.elapsed_ms(),
            3_000,
            "{name}: a letter now, not at 5 s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_patience_that_is_no_number_says_nothing() {
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    let request = with_header(keyed("m"), "x-twin-timeout-ms", "soon");
    assert_eq!(stage.call(request).await.status, 200);
    assert_eq!(timeouts_ms(&stage), [10_000]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_beyond_the_deadline_is_a_letter_now() {
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |_, _| {
        let mut reply = error(429);
        reply
            .headers
            .push(("retry-after".to_owned(), "25".to_owned()));
        Ok(reply)
    });
    assert_eq!(stage.send("m").await.status, 202);
    assert_eq!(stage.elapsed_ms(), 0);
    assert_eq!(
        causes(&stage.letter().await),
        ["HTTP 429; no time left for another attempt"]
    );
}

#[tokio::test(start_paused = true)]
async fn no_time_for_an_attempt_is_a_letter_and_no_fault_of_the_peer() {
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    for patience in ["0", "100", "176"] {
        let request = with_header(keyed("m"), "x-twin-timeout-ms", patience);
        assert_eq!(stage.call(request).await.status, 202, "{patience}");
    }
    assert!(stage.peers.arrivals().is_empty());
    assert_eq!(
        causes(&stage.letter().await),
        ["no time left for an attempt"]
    );
    assert_eq!(stage.circuit_version("ingestion").await, 0);
    let told = stage.events_of("TIME_TOO_SHORT").await;
    assert_eq!(told.len(), 1, "once in ten seconds: {told:?}");
    assert_eq!(
        (told[0].severity, told[0].component.as_str()),
        (Severity::Warning, "L1-Connector")
    );
    assert_eq!(
        told[0].message,
        "too little time for an attempt: the sender waits 0 ms (x-twin-timeout-ms), of which 0 ms are for the way back, and 0 ms are kept to store a dead letter: 0 ms are left, and an attempt takes at least 100 ms; raise ATTEMPT_TIMEOUT_MS or FUNCTION_DEADLINE_MS at the sender"
    );
    // A time limit that is just long enough is used.
    let request = with_header(keyed("m"), "x-twin-timeout-ms", "178");
    assert_eq!(stage.call(request).await.status, 200);
    assert_eq!(timeouts_ms(&stage), [101]);
}

/// What one layer sent, as the next one receives it.
fn received_by_the_next(stage: &Stage, path: &str, time_left_ms: u32) -> Request {
    let sent = stage.peers.arrivals().pop().expect("it was sent").request;
    let mut request = post(path, &sent.body);
    request.headers.extend(sent.headers);
    request.time_left_ms = Some(time_left_ms);
    request
}

#[tokio::test(start_paused = true)]
async fn three_layers_share_a_short_time_and_a_healthy_message_arrives() {
    let first = connector().set("ATTEMPT_TIMEOUT_MS", "2000").build().await;
    let short = |function| Stage::of(function).set("FUNCTION_DEADLINE_MS", "1500");
    let ingestion = short(FunctionName::Ingestion).build().await;
    let second = short(FunctionName::Connector).build().await;
    let writer = Stage::of(FunctionName::Writer).build().await;
    for (stage, peer) in [
        (&first, "ingestion"),
        (&ingestion, "connector"),
        (&second, "writer"),
    ] {
        stage.peers.answer(peer, |_, _| Ok(received("m")));
    }
    let told = first.send("m").await;
    assert_eq!((told.status, timeouts_ms(&first)), (200, vec![2_000]));
    let told = ingestion
        .call(received_by_the_next(&first, "/ingest", 1_500))
        .await;
    assert_eq!((told.status, timeouts_ms(&ingestion)), (200, vec![1_125]));
    let told = second
        .call(received_by_the_next(&ingestion, "/telemetry", 1_125))
        .await;
    assert_eq!((told.status, timeouts_ms(&second)), (200, vec![633]));
    let told = writer
        .call(received_by_the_next(&second, "/write", 25_000))
        .await;
    assert_eq!(told.status, 200, "{told:?}");
    assert!(second.letters().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_host_that_stops_turns_waiting_deliveries_into_letters_at_once() {
    let stage = connector().build().await;
    stage.peers.answer("ingestion", |_, _| {
        Err(SendFailure::Unreachable("refused".to_owned()))
    });
    let drain = async {
        twin_tests::seconds(2).await;
        stage.runtime.begin_drain();
    };
    let (told, ()) = futures_util::join!(stage.send_many("m", 20), drain);
    assert!(told.iter().all(|told| told.status == 202), "{told:?}");
    assert_eq!(stage.elapsed_ms(), 2_000);
    let letters = stage.letters().await;
    assert_eq!(letters.len(), 20);
    for stored in letters {
        assert_eq!(
            causes(&stored.letter),
            [
                "unreachable: refused",
                "unreachable: refused",
                "host draining"
            ]
        );
    }
    // Messages that still arrive get one attempt.
    stage.peers.answer("ingestion", |_, _| Ok(received("x")));
    assert_eq!(stage.send("late").await.status, 200);
    stage.peers.answer("ingestion", |_, _| failing());
    assert_eq!(stage.send("later").await.status, 202);
    assert_eq!(stage.elapsed_ms(), 2_000);
}
