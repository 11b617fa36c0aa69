//! The response to each verdict of the host, and the order of the checks.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures_util::FutureExt;
use twin_capabilities::{
    Clock, Digest, Failure, Log, Random, Settings, Verifier, credentials::Role, log::Level,
};
use twin_contract::Timestamp;

use super::*;
use crate::{Context, Response};

/// The capabilities of every function. The verifier knows one key, and counts how often it is called.
#[derive(Default)]
struct Asked(AtomicUsize);

#[async_trait]
impl Clock for Asked {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    async fn sleep(&self, _: Duration) {}
}

impl Random for Asked {
    fn random(&self) -> u64 {
        0
    }
}

impl Digest for Asked {
    fn sha256(bytes: &[u8]) -> String {
        twin_contract::digest(bytes)
    }
}

impl Log for Asked {
    fn emit(&self, _: Level, _: &str, _: &[(&str, &str)]) {}
}

#[async_trait]
impl Settings for Asked {
    async fn get(&self, _: &str) -> Result<Option<String>, Failure> {
        Ok(None)
    }
}

#[async_trait]
impl Verifier for Asked {
    async fn verify(&self, presented: Presented) -> Result<Caller, Denied> {
        self.0.fetch_add(1, Ordering::Relaxed);
        match presented.headers.as_slice() {
            [(name, key)] if name == "x-api-key" && key == "key" => Ok(caller(Role::Any)),
            [] => Err(Denied::Missing),
            _ => Err(Denied::Wrong),
        }
    }
}

fn caller(role: Role) -> Caller {
    Caller {
        name: "key-1".to_owned(),
        role,
    }
}

fn request(verdict: Verdict) -> Request {
    Request {
        method: "GET".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        headers: Vec::new(),
        body: Vec::new(),
        time_left_ms: None,
        verdict,
    }
}

fn with(verdict: Verdict, headers: &[(&str, &str)]) -> Request {
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    Request {
        headers: headers.iter().map(owned).collect(),
        ..request(verdict)
    }
}

/// The result of a `GET`, or of a request to a route that allows these methods, and how often the verifier was called.
fn admitted(
    request: &Request,
    methods: &[&str],
    access: Access,
) -> (Result<Caller, String>, usize) {
    let context = Context::new(Asked::default());
    let call = Call::new(&context, None);
    let admitted = admit(&call, request, methods, access).now_or_never();
    let admitted = admitted.expect("nothing here waits");
    let asked = context.capabilities().0.load(Ordering::Relaxed);
    (admitted.map_err(|Refused(response)| text(&response)), asked)
}

/// Status and code.
fn text(response: &Response) -> String {
    let body: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
    let code = body.get("error_code").and_then(serde_json::Value::as_str);
    format!("{} {}", response.status, code.expect("a code"))
}

fn repeated(name: &str) -> Verdict {
    Verdict::Repeated(name.to_owned())
}

#[test]
fn each_verdict_of_the_host_has_its_answer_and_the_verifier_is_not_asked() {
    let unavailable = Verdict::Unavailable("the vault is closed".to_owned());
    for (verdict, refusal) in [
        (Verdict::Missing, "401 UNAUTHORIZED"),
        (Verdict::Wrong, "403 FORBIDDEN"),
        (repeated("x-api-key"), "400 HEADER_REPEATED"),
        (repeated("a-header-of-tomorrow"), "400 HEADER_REPEATED"),
        (unavailable, "503 CREDENTIALS_UNAVAILABLE"),
    ] {
        let request = request(verdict);
        let (admitted, asked) = admitted(&request, &["GET"], Access::Data);
        assert_eq!(admitted, Err(refusal.to_owned()), "{request:?}");
        assert_eq!(asked, 0, "{request:?}");
    }
    let verified = request(Verdict::Verified(caller(Role::Any)));
    let (admitted, asked) = admitted(&verified, &["GET"], Access::Data);
    assert_eq!((admitted, asked), (Ok(caller(Role::Any)), 0));
}

#[test]
fn the_role_of_a_verified_caller_decides_which_routes_it_opens() {
    for (role, access, opens) in [
        (Role::Any, Access::Data, true),
        (Role::Any, Access::Operation, true),
        (Role::Hop, Access::Data, true),
        (Role::Hop, Access::Operation, false),
        (Role::Operator, Access::Data, false),
        (Role::Operator, Access::Operation, true),
    ] {
        let request = request(Verdict::Verified(caller(role)));
        let (admitted, _) = admitted(&request, &["GET"], access);
        let expected = opens.then(|| caller(role));
        let expected = expected.ok_or_else(|| "403 FORBIDDEN".to_owned());
        assert_eq!(admitted, expected, "{role:?} {access:?}");
    }
}

#[test]
fn a_request_that_nobody_has_checked_is_for_the_verifier() {
    for (headers, expected) in [
        (&[("x-api-key", "key")][..], Ok(caller(Role::Any))),
        (&[("x-api-key", "other")], Err("403 FORBIDDEN".to_owned())),
        (&[("x-request-id", "r")], Err("401 UNAUTHORIZED".to_owned())),
    ] {
        let request = with(Verdict::Unchecked, headers);
        let outcome = admitted(&request, &["GET"], Access::Data);
        assert_eq!(outcome, (expected, 1), "{headers:?}");
    }
    let twice = [("x-api-key", "key"), ("x-api-key", "key")];
    let (admitted, asked) = admitted(&with(Verdict::Unchecked, &twice), &["GET"], Access::Data);
    assert_eq!(
        (admitted, asked),
        (Err("400 HEADER_REPEATED".to_owned()), 0)
    );
}

#[test]
fn method_and_repeated_headers_come_before_the_verdict_and_the_body_after_it() {
    let large = |verdict| Request {
        body: vec![b' '; MAX_BODY + 1],
        ..request(verdict)
    };
    let refusal = |request: &Request, methods: &[&str]| {
        let (admitted, _) = admitted(request, methods, Access::Data);
        admitted.expect_err("a refusal")
    };
    for verdict in [
        Verdict::Missing,
        Verdict::Wrong,
        repeated("x-api-key"),
        Verdict::Verified(caller(Role::Any)),
    ] {
        let told = refusal(&request(verdict), &["POST"]);
        assert_eq!(told, "405 METHOD_NOT_ALLOWED");
    }
    let ids = [("idempotency-key", "1"), ("idempotency-key", "2")];
    for verdict in [Verdict::Missing, Verdict::Wrong] {
        let told = refusal(&with(verdict, &ids), &["GET"]);
        assert_eq!(told, "400 HEADER_REPEATED");
    }
    assert_eq!(refusal(&large(Verdict::Wrong), &["GET"]), "403 FORBIDDEN");
    let told = refusal(&large(Verdict::Verified(caller(Role::Any))), &["GET"]);
    assert_eq!(told, "413 BODY_TOO_LARGE");
}
