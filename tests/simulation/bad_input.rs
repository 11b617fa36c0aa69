//! Input that no function accepts: always a 4xx in the form of the contract, on every route of every function.

use twin_host::function::{FunctionName, Request};
use twin_tests::{
    Stage, Told, get, post,
    routes::{ROUTES, Route},
};

const LIMIT: usize = 256 * 1024;

/// The routes that read a JSON body.
fn readers_of_json() -> impl Iterator<Item = Route> {
    ROUTES.into_iter().filter(|route| route.method == "POST")
}

/// Checks an error reply, which has exactly three fields.
fn assert_error(told: &Told, status: u16, code: &str, context: &str) {
    assert_eq!((told.status, told.code()), (status, code), "{context}");
    assert_eq!(told.header("content-type"), Some("application/json"));
    let fields: Vec<_> = told.body.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["error_code", "message", "status"], "{context}");
    assert_eq!(told.body["status"], "error", "{context}");
    assert!(!told.message().is_empty(), "{context}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_no_json_object_is_a_400() {
    let too_deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(64), "]".repeat(64));
    let deep_and_open = "{\"a\":".repeat(10_000);
    let bodies: [(&[u8], &str); 14] = [
        (b"{", "BODY_NOT_JSON"),
        (b"{\"a\":}", "BODY_NOT_JSON"),
        (b"{} x", "BODY_NOT_JSON"),
        (b"{\"a\":1,}", "BODY_NOT_JSON"),
        (b"{'a':1}", "BODY_NOT_JSON"),
        (b"hello", "BODY_NOT_JSON"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "BODY_NOT_JSON"),
        (b"null", "BODY_NOT_AN_OBJECT"),
        (b"[]", "BODY_NOT_AN_OBJECT"),
        (b"\"{}\"", "BODY_NOT_AN_OBJECT"),
        (b"{\"a\":\"\xff\"}", "BODY_NOT_UTF8"),
        (b"{\"a\":1,\"\\u0061\":2}", "FIELD_REPEATED"),
        (too_deep.as_bytes(), "BODY_TOO_DEEP"),
        (deep_and_open.as_bytes(), "BODY_TOO_DEEP"),
    ];
    for route in readers_of_json() {
        let stage = route.stage().await;
        for (body, code) in bodies {
            let told = stage.call(post(route.target, body)).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]);
            assert_error(&told, 400, code, &format!("{} {shown}", route.target));
        }
        assert!(stage.peers.arrivals().is_empty(), "{}", route.target);
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_is_a_400_unless_the_route_needs_none() {
    for route in readers_of_json().filter(|route| route.target != "/dead-letters/replay") {
        let told = route.stage().await.call(post(route.target, "")).await;
        assert_error(&told, 400, "BODY_NOT_JSON", route.target);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_over_256_kib_is_a_413_and_one_of_256_kib_is_not() {
    for route in ROUTES {
        let stage = route.stage().await;
        let padded = |size| {
            let mut request = route.request();
            request.body.resize(size, b' ');
            request
        };
        assert_eq!(stage.call(padded(LIMIT)).await.status, route.status);
        let told = stage.call(padded(LIMIT + 1)).await;
        assert_error(&told, 413, "BODY_TOO_LARGE", route.target);
        // The host does not read a body that is announced as too large; the header tells the component.
        for (length, status) in [(LIMIT, route.status), (LIMIT + 1, 413)] {
            let mut request = route.request();
            let announced = ("content-length".to_owned(), length.to_string());
            request.headers.push(announced);
            assert_eq!(stage.call(request).await.status, status, "{}", route.target);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_method_that_the_route_does_not_allow_is_a_405_that_says_which_it_does() {
    for route in ROUTES {
        let stage = route.stage().await;
        for method in ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "get", ""] {
            if route.allow.split(", ").any(|allowed| allowed == method) {
                continue;
            }
            // Even without a key, the reply says which methods are allowed.
            for request in [route.request(), route.bare()] {
                let method = method.to_owned();
                let told = stage.call(Request { method, ..request }).await;
                assert_error(&told, 405, "METHOD_NOT_ALLOWED", route.target);
                assert_eq!(told.header("allow"), Some(route.allow));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_path_that_the_connector_does_not_know_is_a_404() {
    let stage = Stage::of(FunctionName::Connector).build().await;
    for path in [
        "/other",
        "/telemetry/x",
        "/dead-lettersx",
        "/dead-letters/a/b",
    ] {
        for request in [get(path), post(path, "{}")] {
            assert_error(&stage.call(request).await, 404, "NOT_FOUND", path);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_is_1_to_128_characters_of_a_small_alphabet() {
    let (longest, too_long) = ("x".repeat(128), "x".repeat(129));
    let ids: [(&str, bool); 8] = [
        ("a", true),
        ("A-Z_a.z:0-9", true),
        (&longest, true),
        ("", false),
        ("a b", false),
        ("a/b", false),
        ("ä", false),
        (&too_long, false),
    ];
    for route in readers_of_json().filter(|route| route.target != "/dead-letters/replay") {
        for (id, valid) in ids {
            let mut request = route.request();
            let given = ("idempotency-key".to_owned(), id.to_owned());
            request.headers.push(given);
            let told = route.stage().await.call(request).await;
            if valid {
                assert_eq!(told.status, 200, "{} {id}: {told:?}", route.target);
            } else {
                assert_error(&told, 400, "ID_INVALID", &format!("{} {id}", route.target));
            }
        }
    }
}
