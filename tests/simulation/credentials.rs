//! Credentials (spec §2): the rules are the same on every route of every function, whether the host has checked the
//! credential or the function has to call the verifier.

use std::convert::identity;

use twin_contract::Cloud;
use twin_host::function::{FunctionName, Request};
use twin_tests::{
    KEY, OPERATOR_KEY, OTHER_KEY, Stage, StageBuilder, Told,
    routes::{ROUTES, Route, well},
};

/// The header with the key for each cloud.
const FORMS: [(Cloud, &str, &str); 3] = [
    (Cloud::Aws, "x-api-key", ""),
    (Cloud::Azure, "x-functions-key", ""),
    (Cloud::Gcp, "authorization", "Bearer "),
];

fn presenting(route: &Route, header: &str, value: &str) -> Request {
    let mut request = route.bare();
    request.headers.push((header.to_owned(), value.to_owned()));
    request
}

/// The function on two stages: on one the host checks credentials, on the other the function does.
async fn stages(
    function: FunctionName,
    configure: impl Fn(StageBuilder) -> StageBuilder,
) -> [Stage; 2] {
    let of = || configure(Stage::of(function));
    [well(of()).await, well(of().unchecked()).await]
}

fn assert_refused(told: &Told, status: u16, context: &str) {
    let code = match status {
        401 => "UNAUTHORIZED",
        _ => "FORBIDDEN",
    };
    assert_eq!((told.status, told.code()), (status, code), "{context}");
    assert!(!told.body.to_string().contains(KEY), "{context}: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn each_cloud_takes_a_key_in_its_own_form_and_no_other() {
    for route in ROUTES {
        for (cloud, ..) in FORMS {
            for stage in stages(route.function, |stage| stage.cloud(cloud)).await {
                for (of, header, prefix) in FORMS {
                    let request = presenting(&route, header, &format!("{prefix}{KEY}"));
                    let told = stage.call(request).await;
                    let context = format!("{} on {cloud}: {header}", route.target);
                    if of == cloud {
                        assert_eq!(told.status, route.status, "{context}: {told:?}");
                    } else {
                        assert_refused(&told, 401, &context);
                    }
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_key_401_with_a_wrong_one_403_on_every_route() {
    for route in ROUTES {
        for stage in stages(route.function, identity).await {
            assert_refused(&stage.call(route.bare()).await, 401, route.target);
            let longer = format!("{KEY}x");
            for wrong in ["wrong", "THE-KEY", "the-ke", &longer] {
                let told = stage.call(presenting(&route, "x-api-key", wrong)).await;
                assert_refused(&told, 403, route.target);
            }
            for none in ["", "  "] {
                let told = stage.call(presenting(&route, "x-api-key", none)).await;
                assert_refused(&told, 401, route.target);
            }
            assert!(stage.peers.arrivals().is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_keys_are_valid_at_once_while_they_are_rotated() {
    for (cloud, header, prefix) in FORMS {
        for route in [ROUTES[0], ROUTES[4], ROUTES[5], ROUTES[6], ROUTES[7]] {
            for stage in stages(route.function, |stage| stage.cloud(cloud)).await {
                for key in [KEY, OTHER_KEY] {
                    let request = presenting(&route, header, &format!("{prefix}{key}"));
                    assert_eq!(stage.call(request).await.status, 200, "{cloud} {key}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_scheme_bearer_is_known_in_any_case_and_another_scheme_is_no_credential() {
    let route = ROUTES[5];
    for stage in stages(route.function, |stage| stage.cloud(Cloud::Gcp)).await {
        for (value, status) in [
            (format!("Bearer {KEY}"), 200),
            (format!("bearer {KEY}"), 200),
            (format!("BEARER  {KEY}"), 200),
            (format!("Bearer {KEY}x"), 403),
            (format!("Basic {KEY}"), 401),
            (KEY.to_owned(), 401),
            ("Bearer".to_owned(), 401),
            ("Bearer ".to_owned(), 401),
        ] {
            let told = stage
                .call(presenting(&route, "authorization", &value))
                .await;
            assert_eq!(told.status, status, "{value}: {told:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_credential_is_checked_before_the_body_its_size_and_its_id() {
    let garbage = [b"{".to_vec(), b"\xff".to_vec(), vec![b' '; 256 * 1024 + 1]];
    for route in ROUTES {
        for stage in stages(route.function, identity).await {
            for body in &garbage {
                let mut request = route.bare();
                request.body.clone_from(body);
                let bad_id = ("idempotency-key".to_owned(), "no id".to_owned());
                request.headers.push(bad_id);
                assert_refused(&stage.call(request.clone()).await, 401, route.target);
                let wrong = ("x-api-key".to_owned(), "wrong".to_owned());
                request.headers.push(wrong);
                assert_refused(&stage.call(request).await, 403, route.target);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_header_that_decides_something_may_be_given_once() {
    let single = [
        "authorization",
        "idempotency-key",
        "x-api-key",
        "x-functions-key",
        "x-twin-timeout-ms",
    ];
    for route in ROUTES {
        for stage in stages(route.function, identity).await {
            for header in single {
                let mut request = presenting(&route, header, KEY);
                let again = (header.to_owned(), KEY.to_owned());
                request.headers.push(again);
                let told = stage.call(request).await;
                assert_eq!((told.status, told.code()), (400, "HEADER_REPEATED"));
                assert!(told.message().contains(header), "{told:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_operators_key_opens_what_is_for_operators_and_the_others_open_data() {
    for route in ROUTES {
        for stage in stages(route.function, StageBuilder::operated).await {
            for (key, operator) in [(KEY, false), (OTHER_KEY, false), (OPERATOR_KEY, true)] {
                let told = stage.call(presenting(&route, "x-api-key", key)).await;
                if operator == route.operation {
                    assert_eq!(told.status, route.status, "{route:?}: {told:?}");
                    continue;
                }
                assert_refused(&told, 403, route.target);
                let wanted = match route.operation {
                    true => "TWIN_OPERATOR_TOKEN",
                    false => "INTER_CLOUD_TOKEN",
                };
                assert!(told.message().contains(wanted), "{route:?}: {told:?}");
            }
            assert_refused(&stage.call(route.bare()).await, 401, route.target);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_key_of_operators_every_key_opens_everything() {
    for route in ROUTES {
        for stage in stages(route.function, identity).await {
            let told = stage.call(presenting(&route, "x-api-key", KEY)).await;
            assert_eq!(told.status, route.status, "{route:?}: {told:?}");
            let told = stage.call(presenting(&route, "x-api-key", OPERATOR_KEY));
            assert_refused(&told.await, 403, route.target);
        }
    }
}
