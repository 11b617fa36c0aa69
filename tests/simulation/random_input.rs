//! No input makes a component trap, and every reply is a documented one.

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use tokio::runtime::Builder;
use twin_host::function::Request;
use twin_tests::routes::{ROUTES, Route};

/// The number of requests to each route.
const CASES: u32 = 1_500;

/// The statuses of the functions' replies while their peers work.
const STATUSES: [u16; 8] = [200, 202, 400, 403, 404, 405, 409, 413];

/// Mostly the method that the route accepts, so that more than the first check is tested.
fn method(route: Route) -> impl Strategy<Value = String> {
    prop_oneof![9 => Just(route.method.to_owned()), 1 => "[A-Z]{0,7}"]
}

/// Headers whose names have a meaning, with valid and invalid values.
fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        Just("idempotency-key".to_owned()),
        Just("x-twin-timeout-ms".to_owned()),
        Just("content-length".to_owned()),
        Just("traceparent".to_owned()),
        "[a-z-]{1,12}",
    ];
    let value = prop_oneof!["[A-Za-z0-9._:-]{0,140}", "[0-9]{0,25}", ".{0,40}"];
    vec((name, value), 0..4)
}

fn query() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("device_id"),
        Just("from"),
        Just("to"),
        Just("order"),
        Just("limit"),
        Just("cursor"),
        Just("%ff"),
    ];
    let value = prop_oneof![
        Just("asc".to_owned()),
        Just("2026-01-01T00:00:00Z".to_owned()),
        "[da][0-9-]{0,22}~[a-z]{0,3}",
        "[0-9]{0,5}",
        "[ -~]{0,12}",
    ];
    let pairs = vec((name, value), 0..5).prop_map(|pairs| {
        let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("&")
    });
    prop_oneof![4 => pairs, 1 => ".{0,60}"]
}

/// A valid body with some bytes replaced, also with characters that are special in JSON; or arbitrary bytes.
fn body(route: Route) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        3 => r#"[{}\[\]",:\\0-9eE.+-]{0,4}"#.prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 0..4),
    ];
    let edits = vec((any::<prop::sample::Index>(), 0..6_usize, piece), 0..3);
    let edited = edits.prop_map(move |edits| {
        let mut body = route.body.as_bytes().to_vec();
        for (at, length, piece) in edits {
            let start = at.index(body.len() + 1);
            let end = (start + length).min(body.len());
            body.splice(start..end, piece);
        }
        body
    });
    prop_oneof![5 => edited, 1 => vec(any::<u8>(), 0..200)]
}

fn request(route: Route) -> impl Strategy<Value = Request> {
    (method(route), headers(), query(), body(route)).prop_map(
        move |(method, mut headers, query, body)| {
            let valid = route.request();
            headers.extend(valid.headers);
            Request {
                method,
                path: valid.path,
                query,
                headers,
                body,
                time_left_ms: None,
                verdict: valid.verdict,
            }
        },
    )
}

#[test]
fn no_request_traps_a_component_and_every_answer_is_documented() {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    for route in ROUTES {
        let stage = runtime.block_on(route.stage());
        let config = Config {
            cases: CASES,
            failure_persistence: None,
            ..Config::default()
        };
        let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let tried = TestRunner::new_with_rng(config, random).run(&request(route), |request| {
            // There must be a reply in JSON; a trap would panic here.
            let told = runtime.block_on(stage.call(request));
            prop_assert!(STATUSES.contains(&told.status), "{told:?}");
            let own = told.body["error_code"].is_string();
            prop_assert_eq!(own, told.status >= 400, "{:?}", told);
            Ok(())
        });
        tried.unwrap_or_else(|error| panic!("{}: {error}", route.target));
    }
}
