//! Reader: if a remote reader is bound, it is queried instead of the function's own store; a query is safe to repeat.

use std::time::Duration;

use twin_capabilities::peers::{Reply, SendFailure};
use twin_host::function::FunctionName;
use twin_tests::{Stage, error, get, reply, reply_with};

const PAGE: &[u8] = br#"{"items":[],"count":0}"#;
const QUERY: &str = "order=asc&device_id=a%20b%2Fc&limit=05&from=2026-01-01T00%3A00%3A00Z";

async fn asking(
    mut answer: impl FnMut(usize) -> Result<Reply, SendFailure> + Send + 'static,
) -> Stage {
    let stage = Stage::of(FunctionName::Reader).build().await;
    stage.peers.answer("reader", move |nth, _| answer(nth));
    stage
}

#[tokio::test(start_paused = true)]
async fn the_query_goes_out_verbatim_and_the_page_comes_back_verbatim() {
    let stage = asking(|_| Ok(reply(200, PAGE))).await;
    let response = stage.try_call(get(&format!("/read?{QUERY}"))).await;
    let response = response.unwrap();
    assert_eq!((response.status, &*response.body), (200, PAGE));
    let arrivals = stage.peers.arrivals();
    assert_eq!(arrivals.len(), 1);
    assert_eq!(arrivals[0].request.method, "GET");
    assert_eq!(arrivals[0].request.query, QUERY);
    assert!(arrivals[0].request.body.is_empty());
    assert_eq!(arrivals[0].header("x-twin-timeout-ms"), Some("10000"));
    // The caller's key is for this function only.
    assert_eq!(arrivals[0].header("x-api-key"), None);
}

#[tokio::test(start_paused = true)]
async fn the_own_store_is_not_asked() {
    let stage = asking(|_| Ok(reply(200, PAGE))).await;
    stage.put(0, "own", "{}").await;
    stage.records_fail(true);
    let told = stage.call(get("/read?device_id=d1")).await;
    assert_eq!((told.status, &told.body["count"]), (200, &0.into()));
}

#[tokio::test(start_paused = true)]
async fn a_query_is_asked_again_after_1_2_and_4_seconds() {
    for failure in [
        Ok(error(503)),
        Ok(error(500)),
        Ok(error(429)),
        Ok(error(408)),
        Err(SendFailure::Unreachable("no route".to_owned())),
        Err(SendFailure::TimedOut),
        Err(SendFailure::Exhausted("too many open files".to_owned())),
    ] {
        let stage = asking(move |nth| match nth {
            3 => Ok(reply(200, PAGE)),
            _ => failure.clone(),
        })
        .await;
        let told = stage.call(get("/read?device_id=d1")).await;
        assert_eq!(told.status, 200, "{told:?}");
        assert_eq!(stage.peers.times_ms(), [0, 1_000, 3_000, 7_000]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stays_away_is_a_503_after_three_retries() {
    let stage = asking(|_| Err(SendFailure::Unreachable("no route".to_owned()))).await;
    let told = stage.call(get("/read?device_id=d1")).await;
    assert_eq!(told.status, 503);
    assert_eq!(told.code(), "REMOTE_READER_UNAVAILABLE");
    assert_eq!(told.header("retry-after"), Some("1"));
    assert_eq!(stage.peers.times_ms(), [0, 1_000, 3_000, 7_000]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_is_waited_for_unless_it_is_over_30_seconds() {
    for (seconds, times) in [("5", &[0, 5_000][..]), ("0", &[0, 1_000]), ("31", &[0])] {
        let stage = asking(move |nth| {
            Ok(match nth {
                0 => reply_with(503, &[("retry-after", seconds)], b""),
                _ => reply(200, PAGE),
            })
        })
        .await;
        let told = stage.call(get("/read?device_id=d1")).await;
        assert_eq!(told.status, if times.len() == 2 { 200 } else { 503 });
        assert_eq!(stage.peers.times_ms(), times, "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_end_within_the_functions_deadline() {
    let stage = Stage::of(FunctionName::Reader).build().await;
    let never = Duration::from_secs(3600);
    stage
        .peers
        .script("reader", move |_, _| (never, Ok(reply(200, PAGE))));
    let mut request = get("/read?device_id=d1");
    request.time_left_ms = Some(15_000);
    let told = stage.call(request).await;
    assert_eq!(told.code(), "REMOTE_READER_UNAVAILABLE");
    // An attempt of 10 s, a wait of 1 s, and an attempt with the rest of the time minus the reserve.
    assert_eq!(stage.peers.times_ms(), [0, 11_000]);
    assert_eq!(stage.elapsed_ms(), 14_500);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_the_query_comes_back_as_the_reader_put_it() {
    for status in [400, 404, 413, 414] {
        let stage = asking(move |_| Ok(error(status))).await;
        let told = stage.call(get("/read?device_id=d1")).await;
        assert_eq!((told.status, told.code()), (status, "SOME_CODE"));
        assert_eq!(stage.peers.times_ms(), [0]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_between_the_clouds_is_a_502_and_not_the_callers_affair() {
    for answer in [
        error(401),
        error(403),
        error(405),
        reply_with(302, &[("location", "https://login.example")], b""),
        reply(204, b""),
        reply(200, b"<html>Please log in</html>"),
        reply(200, br#"{"ok":true}"#),
        reply(200, br#"{"items":[],"count":1}"#),
        reply(200, br#"{"items":[],"count":0"#),
        reply(404, b"<html>No such page</html>"),
        reply(400, br#"{"message":"Bad request body"}"#),
        reply(404, br#"{"message":"Not Found"}"#),
        reply(413, br#"{"message":"Request Too Long"}"#),
    ] {
        let status = answer.status;
        let stage = asking(move |_| Ok(answer.clone())).await;
        let told = stage.call(get("/read?device_id=d1")).await;
        let got = (told.status, told.code());
        assert_eq!(got, (502, "REMOTE_READER_REFUSED"), "{status}");
        assert_eq!(stage.peers.times_ms(), [0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_that_is_wrong_is_not_sent() {
    let stage = asking(|_| Ok(reply(200, PAGE))).await;
    for query in ["", "device_id=d1&limit=0", "device_id=d1&x=1"] {
        assert_eq!(stage.call(get(&format!("/read?{query}"))).await.status, 400);
    }
    assert!(stage.peers.arrivals().is_empty());
}
