//! Reader: limits, pages and cursors, and invalid parameters.

use twin_host::function::FunctionName;
use twin_tests::{Stage, get};

use crate::reader::{ids, reader};

async fn with_records(count: u64) -> Stage {
    let stage = reader().await;
    for number in 0..count {
        // Three with the same time, so that pages end between them.
        stage
            .put(number / 3, &format!("id-{number:04}"), "{}")
            .await;
    }
    stage
}

#[tokio::test(start_paused = true)]
async fn a_page_has_100_items_or_as_many_as_asked_for_up_to_1000() {
    let stage = with_records(1_001).await;
    for (limit, count) in [("", 100), ("&limit=1", 1), ("&limit=1000", 1_000)] {
        let target = format!("/read?device_id=d1{limit}");
        let told = stage.call(get(&target)).await;
        assert_eq!(ids(&told).len(), count, "{limit}");
        assert!(told.body["next"].is_string(), "{limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn following_next_reads_every_record_once() {
    let stage = with_records(25).await;
    for order in ["asc", "desc"] {
        for limit in [1, 2, 7, 24, 25, 26] {
            let mut expected: Vec<_> = (0..25).map(|number| format!("id-{number:04}")).collect();
            if order == "desc" {
                expected.reverse();
            }
            let mut read = Vec::new();
            let mut cursor = String::new();
            loop {
                let query = format!("device_id=d1&order={order}&limit={limit}{cursor}");
                let told = stage.call(get(&format!("/read?{query}"))).await;
                assert!(ids(&told).len() <= limit, "{query}");
                read.extend(ids(&told).into_iter().map(str::to_owned));
                let Some(next) = told.body["next"].as_str() else {
                    break;
                };
                assert!(read.len() < 25, "an empty page at the end: {query}");
                cursor = format!("&cursor={next}");
            }
            assert_eq!(read, expected, "{order} {limit}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn records_that_arrive_between_two_pages_shift_nothing() {
    let stage = reader().await;
    for (seconds, id) in [(10, "b"), (20, "d"), (30, "f")] {
        stage.put(seconds, id, "{}").await;
    }
    let first = stage.call(get("/read?device_id=d1&limit=2")).await;
    assert_eq!(ids(&first), ["f", "d"]);
    for (seconds, id) in [(5, "a"), (15, "c"), (25, "e"), (35, "g")] {
        stage.put(seconds, id, "{}").await;
    }
    let next = first.body["next"].as_str().unwrap();
    let target = format!("/read?device_id=d1&cursor={next}");
    assert_eq!(ids(&stage.call(get(&target)).await), ["c", "b", "a"]);
}

#[tokio::test(start_paused = true)]
async fn a_page_ends_at_1_mib_but_has_one_item_at_least() {
    let stage = reader().await;
    let body = |size: usize| format!(r#"{{"x":"{}"}}"#, "x".repeat(size));
    // Five bodies of the largest permitted size, and one that is larger than a page.
    for number in 0..6 {
        let body = body(200 * 1024);
        stage.put(number, &format!("id-{number}"), &body).await;
    }
    stage.put(10, "giant", &body(2 * 1024 * 1024)).await;
    let mut target = "/read?device_id=d1".to_owned();
    let mut sizes = Vec::new();
    loop {
        let told = stage.call(get(&target)).await;
        sizes.push(ids(&told).len());
        let Some(next) = told.body["next"].as_str() else {
            break;
        };
        target = format!("/read?device_id=d1&cursor={next}");
    }
    assert_eq!(sizes, [1, 5, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_cursor_is_only_good_for_the_order_it_came_from() {
    let stage = with_records(5).await;
    let told = stage.call(get("/read?device_id=d1&limit=2")).await;
    let next = told.body["next"].as_str().unwrap();
    for (cursor, status) in [
        (format!("cursor={next}"), 200),
        (format!("cursor={next}&order=desc"), 200),
        (format!("order=desc&cursor={next}"), 200),
        (format!("cursor={next}&order=asc"), 400),
        (format!("order=asc&cursor={next}"), 400),
        (format!("cursor=x{next}"), 400),
        (format!("cursor={}", &next[..next.len() / 2]), 400),
        ("cursor=".to_owned(), 400),
        ("cursor=garbage".to_owned(), 400),
        ("cursor=d99999999999999999999~a".to_owned(), 400),
        ("cursor=%ff%00".to_owned(), 400),
    ] {
        let told = stage
            .call(get(&format!("/read?device_id=d1&{cursor}")))
            .await;
        assert_eq!(told.status, status, "{cursor}: {told:?}");
        if status == 400 {
            assert_eq!(told.code(), "PARAMETER_INVALID");
            assert!(told.message().contains("`cursor`"), "{told:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_parameter_that_is_missing_wrong_unknown_or_repeated_is_a_400_that_names_it() {
    let stage = Stage::of(FunctionName::Reader).build().await;
    let long = format!("device_id={}", "x".repeat(257));
    for (query, code, name) in [
        ("", "PARAMETER_MISSING", "device_id"),
        ("limit=5", "PARAMETER_MISSING", "device_id"),
        ("device_id=", "PARAMETER_INVALID", "device_id"),
        ("device_id", "PARAMETER_INVALID", "device_id"),
        (&long, "PARAMETER_INVALID", "device_id"),
        ("device_id=d1&limit=0", "PARAMETER_INVALID", "limit"),
        ("device_id=d1&limit=1001", "PARAMETER_INVALID", "limit"),
        ("device_id=d1&limit=-1", "PARAMETER_INVALID", "limit"),
        ("device_id=d1&limit=ten", "PARAMETER_INVALID", "limit"),
        ("device_id=d1&limit=", "PARAMETER_INVALID", "limit"),
        ("device_id=d1&order=up", "PARAMETER_INVALID", "order"),
        ("device_id=d1&from=today", "PARAMETER_INVALID", "from"),
        ("device_id=d1&to=2026-01-01", "PARAMETER_INVALID", "to"),
        ("device_id=d1&deviceId=d1", "PARAMETER_UNKNOWN", "deviceId"),
        (
            "device_id=d1&device_id=d1",
            "PARAMETER_UNKNOWN",
            "device_id",
        ),
        ("device_id=d1&limit=5&limit=5", "PARAMETER_UNKNOWN", "limit"),
        ("device_id=d1&limit=%2B5", "PARAMETER_INVALID", "limit"),
        ("device_id=%zz", "PARAMETER_INVALID", "device_id"),
        ("device_id=%FF", "PARAMETER_INVALID", "device_id"),
        ("device_id=d1&limit=5%", "PARAMETER_INVALID", "limit"),
    ] {
        let told = stage.call(get(&format!("/read?{query}"))).await;
        assert_eq!((told.status, told.code()), (400, code), "{query}");
        assert!(told.message().contains(&format!("`{name}`")), "{told:?}");
    }
}
