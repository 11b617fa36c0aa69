//! Invocations and their results, with functions and settlements that are given.

use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::*;
use crate::{
    credentials::Credentials,
    dispatch::{DispatchSettings, Readiness},
    function::FunctionName,
    scripted::Scripted,
    secrets::Secret,
    telemetry::metrics,
};

struct Ready;

#[async_trait]
impl Readiness for Ready {
    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Settles every event but those with this id, and takes a second for each.
#[derive(Default)]
struct Slowly {
    failing: Option<&'static str>,
    limits: Mutex<Vec<Option<Duration>>>,
}

#[async_trait]
impl Settle for Slowly {
    async fn settle(&self, event: Event, limit: Option<Duration>) -> Settlement {
        self.limits.lock().unwrap().push(limit);
        tokio::time::sleep(Duration::from_secs(1)).await;
        match self.failing == event.id.as_deref() {
            true => Settlement::Again("it failed".to_owned()),
            false => Settlement::Acknowledged,
        }
    }
}

fn handler(events: Arc<Slowly>) -> Handler {
    let settings = DispatchSettings {
        cloud: twin_contract::Cloud::Aws,
        route_prefix: String::new(),
        verifier: Arc::new(Credentials::new(
            twin_contract::Cloud::Aws,
            &[Secret::new("key")],
        )),
        readiness: Arc::new(Ready),
        metrics: Arc::new(metrics::Process::recorded()),
        function_deadline: Duration::from_secs(25),
        tracer: None,
    };
    let functions = Scripted::echo(&[FunctionName::Writer]);
    let caller = IamCaller::parse("arn:aws:iam::123456789012:role/connector").unwrap();
    Handler {
        callers: vec![caller],
        dispatch: Arc::new(Dispatch::new(functions, settings, watch::channel(false).1)),
        events,
        tracer: None,
    }
}

async fn answered(handler: &Handler, payload: Value, seconds: u64) -> Result<Value, String> {
    let limit = Duration::from_secs(seconds);
    let answer = handler.answer(&payload.to_string(), limit).await;
    answer
        .map(|answer| serde_json::to_value(answer).unwrap())
        .map_err(|failed| format!("{}: {}", failed.kind, failed.cause))
}

fn request(headers: Value, authorizer: Value) -> Value {
    json!({
        "version": "2.0", "rawPath": "/write", "headers": headers, "body": "{}",
        "requestContext": {"http": {"method": "POST"}, "authorizer": authorizer}
    })
}

#[tokio::test]
async fn a_request_is_answered_within_the_time_of_its_invocation() {
    let handler = handler(Arc::default());
    let echo = answered(
        &handler,
        request(json!({"x-api-key": "key"}), Value::Null),
        7,
    )
    .await;
    let echo = echo.unwrap();
    assert_eq!(echo["statusCode"], 200);
    let body = echo["body"].as_str().unwrap();
    assert!(
        body.starts_with("writer POST /write [] 2 Some(7000)\n"),
        "{body}"
    );
    // The host has checked the key, and keeps it.
    assert!(!body.contains("x-api-key"), "{body}");
    assert!(body.ends_with("verdict: key-1 (Any)\n"), "{body}");
}

#[tokio::test]
async fn a_listed_caller_of_iam_needs_no_key_and_any_other_does() {
    let handler = handler(Arc::default());
    let iam = |role: &str| {
        let arn = format!("arn:aws:sts::123456789012:assumed-role/{role}/session");
        json!({"iam": {"userArn": arn}})
    };
    let verdict = async |headers: Value, authorizer| {
        let echo = answered(&handler, request(headers, authorizer), 7).await;
        let body = echo.unwrap()["body"].as_str().unwrap().to_owned();
        body.lines().last().unwrap().to_owned()
    };
    assert_eq!(
        verdict(json!({}), iam("connector")).await,
        "verdict: iam-1 (Hop)"
    );
    assert_eq!(verdict(json!({}), iam("other")).await, "verdict: Missing");
    assert_eq!(
        verdict(json!({"x-api-key": "other"}), iam("other")).await,
        "verdict: Wrong"
    );
    // What the platform has said is in the context, and nowhere else.
    let forged = json!({"authorizer": "connector", "x-amzn-iam-user-arn": "connector"});
    assert_eq!(verdict(forged, Value::Null).await, "verdict: Missing");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_not_taken_over_fails_its_invocation() {
    let events = Arc::new(Slowly {
        failing: Some("e2"),
        ..Slowly::default()
    });
    let handler = handler(events.clone());
    let event = |id: &str| json!({"twin": "telemetry", "body": "e30=", "device": "d", "id": id});
    assert_eq!(answered(&handler, event("e1"), 3).await, Ok(Value::Null));
    let failed = answered(&handler, event("e2"), 3).await;
    assert_eq!(failed, Err("EventNotTaken: it failed".to_owned()));
    let limit = Some(Duration::from_secs(3));
    assert_eq!(*events.limits.lock().unwrap(), [limit, limit]);
    let unknown = answered(&handler, json!({"secret": "value"}), 3)
        .await
        .unwrap_err();
    assert!(unknown.starts_with("UnknownEvent: "), "{unknown}");
}

#[tokio::test(start_paused = true)]
async fn of_a_queue_only_what_failed_or_had_no_time_is_delivered_again() {
    let events = Arc::new(Slowly {
        failing: Some("m2"),
        ..Slowly::default()
    });
    let handler = handler(events.clone());
    let record = |id: &str| json!({"messageId": id, "body": "{}", "eventSource": "aws:sqs"});
    let records = ["m1", "m2", "m3", "m4"].map(record);
    let answer = answered(&handler, json!({"Records": records}), 3).await;
    let failed = [
        json!({"itemIdentifier": "m2"}),
        json!({"itemIdentifier": "m4"}),
    ];
    assert_eq!(answer, Ok(json!({"batchItemFailures": failed})));
    let limits = [3, 2, 1].map(|seconds| Some(Duration::from_secs(seconds)));
    assert_eq!(*events.limits.lock().unwrap(), limits);
}

#[test]
fn a_variable_of_lambda_that_is_missing_or_wrong_is_named() {
    let with = |name: &'static str, value: Option<&'static str>| {
        check_environment(move |asked| match asked {
            _ if asked == name => value.map(str::to_owned),
            "AWS_LAMBDA_RUNTIME_API" => Some("127.0.0.1:9001".to_owned()),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" => Some("128".to_owned()),
            _ => Some("x".to_owned()),
        })
    };
    let api = "AWS_LAMBDA_RUNTIME_API";
    for address in [
        "169.254.100.1:9001",
        "localhost",
        "http://127.0.0.1:9000/.rt",
    ] {
        assert_eq!(with(api, Some(address)), Ok(()), "{address}");
    }
    for (name, value) in [
        (api, Some("http://")),
        (api, Some("/.rt")),
        (api, Some("https://127.0.0.1:9001")),
        (api, Some("")),
        ("AWS_LAMBDA_FUNCTION_NAME", None),
        ("AWS_LAMBDA_FUNCTION_VERSION", None),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", None),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", Some("much")),
    ] {
        let error = with(name, value).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{name} ")), "{error}");
    }
}

#[test]
fn a_function_is_done_before_the_platform_ends_the_process() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
    for (deadline, expected) in [(103_000, 2_500), (100_500, 0), (100_200, 0), (99_000, 0)] {
        let deadline = SystemTime::UNIX_EPOCH + Duration::from_millis(deadline);
        assert_eq!(left(deadline, now), Duration::from_millis(expected));
    }
}
