//! The reply of a function to each failure of its store.

use std::sync::Arc;

use async_trait::async_trait;
use twin_capabilities::{
    records::{Entry, Outcome, Page, Selection},
    types::{Failure, Throttling},
};
use twin_host::{
    function::FunctionName,
    providers::{Records, Stores},
};
use twin_tests::{Stage, bodies::ENVELOPE_L3, get, post};

/// Records that always fail in the same way.
struct Failing(Failure);

#[async_trait]
impl Records for Failing {
    async fn put(&self, _: String, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>> {
        vec![Err(self.0.clone()); entries.len()]
    }

    async fn query(&self, _: String, _: Selection) -> Result<Page, Failure> {
        Err(self.0.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn each_failure_of_a_store_has_its_status_and_code_and_keeps_its_words_to_the_log() {
    let inside = || "/var/lib/twin is on fire".to_owned();
    let throttled = |retry_after_ms| {
        let cause = inside();
        Failure::Throttled(Throttling {
            cause,
            retry_after_ms,
        })
    };
    for (failure, status, code, retry_after) in [
        (
            Failure::Unavailable(inside()),
            503,
            "STORE_UNAVAILABLE",
            Some("1"),
        ),
        (throttled(None), 503, "STORE_UNAVAILABLE", Some("1")),
        (throttled(Some(17)), 503, "STORE_UNAVAILABLE", Some("1")),
        (throttled(Some(6_001)), 503, "STORE_UNAVAILABLE", Some("7")),
        (Failure::Full, 503, "STORE_FULL", Some("1")),
        (Failure::TooLarge, 413, "BODY_TOO_LARGE", None),
        (
            Failure::Misconfigured(inside()),
            503,
            "STORE_MISCONFIGURED",
            Some("1"),
        ),
        (Failure::Other(inside()), 500, "STORE_FAILED", None),
    ] {
        for (function, request) in [
            (FunctionName::Writer, post("/write", ENVELOPE_L3)),
            (FunctionName::Reader, get("/read?device_id=d1")),
        ] {
            let records = Arc::new(Failing(failure.clone()));
            let stage = Stage::of(function).watch(|stores: Stores| Stores { records, ..stores });
            let told = stage.build().await.call(request).await;
            assert_eq!((told.status, told.code()), (status, code), "{function}");
            assert_eq!(told.header("retry-after"), retry_after, "{failure}");
            assert!(!told.body.to_string().contains(&inside()), "{function}");
        }
    }
}
