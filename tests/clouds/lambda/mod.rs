//! `twin serve` in an environment of Lambda. The runtime API is played by the test, the program and its components are the real ones.

mod environment;

use std::{io::Write, net::TcpListener, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use twin_contract::Cloud::Aws;
use twin_tests::hosts::{house::Host, process::eventually, runtime_api::Outcome};

use self::environment::{Environment, Request};

const NOTHING: Outcome = Outcome::Response(Value::Null);

/// All functions of a twin in one program.
fn whole_twin() -> Host {
    Host::of(Aws, "connector,ingestion,writer,reader,error-reporter").set(
        "TWIN_IAM_CALLERS",
        "arn:aws:iam::123456789012:role/twin/sender",
    )
}

/// What the rule of docs/functions.md makes of a device's message.
fn iot(device: &str, id: &str, message: &str) -> Value {
    json!({"body": STANDARD.encode(message), "device": device, "id": id, "twin": "telemetry"})
}

fn queue(bodies: &[&str]) -> Value {
    let record = |(n, body): (usize, &&str)| {
        json!({
            "messageId": format!("m{n}"),
            "receiptHandle": "handle",
            "body": body,
            "attributes": {"ApproximateReceiveCount": "1"},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:factory-01-redrive",
            "awsRegion": "us-east-1",
        })
    };
    let records: Vec<_> = bodies.iter().enumerate().map(record).collect();
    json!({"Records": records})
}

#[tokio::test]
async fn requests_reach_the_functions_in_both_payload_formats() {
    let Some(lambda) = Environment::start(whole_twin(), "").await else {
        return;
    };
    let sent = lambda
        .post("/telemetry", r#"{"device_id":"d","t":25.40}"#)
        .await;
    assert_eq!(sent.status(), 200, "{sent:?}");
    assert_eq!(sent.body()["status"], "received");

    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(br#"{"device_id":"d","t":1e3}"#).unwrap();
    let packed = STANDARD.encode(gzip.finish().unwrap());
    let mut request = lambda.keyed("POST", "/telemetry", &packed);
    request.headers["content-encoding"] = json!("gzip");
    request.is_base64 = true;
    let plenty = Duration::from_secs(60);
    let sent = lambda.send(request, plenty).await;
    assert_eq!(sent.status(), 200, "{sent:?}");

    // A REST API, behind its stage `prod`.
    let (name, value) = lambda.keyed("GET", "", "").header();
    let rest = json!({
        "resource": "/{proxy+}",
        "path": "/read",
        "httpMethod": "GET",
        "headers": {name.clone(): value.clone()},
        "multiValueHeaders": {name: [value]},
        "queryStringParameters": {"device_id": "d"},
        "multiValueQueryStringParameters": {"device_id": ["d"]},
        "requestContext": {"stage": "prod", "path": "/prod/read", "identity": {"sourceIp": "203.0.113.7"}},
        "body": null,
        "isBase64Encoded": false,
    });
    let Outcome::Response(page) = lambda.invoke(rest).await else {
        panic!("the request failed");
    };
    assert_eq!(page["statusCode"], 200, "{page}");
    let body = page["body"].as_str().unwrap();
    assert!(body.contains(r#""t":25.40"#), "{body}");
    assert!(body.contains(r#""t":1e3"#), "{body}");
    assert_eq!(
        page["multiValueHeaders"]["content-type"],
        json!(["application/json"])
    );
    assert!(lambda.stop().success());
}

#[tokio::test]
async fn a_caller_of_iam_needs_no_key_and_is_no_operator() {
    let Some(lambda) = Environment::start(whole_twin(), "").await else {
        return;
    };
    let status = async |role: &str, method, target| {
        let arn = format!("arn:aws:sts::123456789012:assumed-role/{role}/session");
        let request = Request {
            headers: json!({}),
            caller: json!({"iam": {"userArn": arn}}),
            ..lambda.keyed(method, target, r#"{"device_id":"d"}"#)
        };
        let plenty = Duration::from_secs(60);
        lambda.send(request, plenty).await.status()
    };
    assert_eq!(status("sender", "POST", "/telemetry").await, 200);
    assert_eq!(status("other", "POST", "/telemetry").await, 401);
    assert_eq!(status("sender", "GET", "/dead-letters").await, 403);
    assert_eq!(status("sender", "GET", "/metrics").await, 401);
}

#[tokio::test]
async fn events_reach_the_functions_and_what_is_refused_is_kept() {
    let Some(lambda) = Environment::start(whole_twin(), "").await else {
        return;
    };
    // The platform delivers at least once.
    for _ in 0..2 {
        let reading = iot("d", "u-1", r#"{"t":25.40}"#);
        assert_eq!(lambda.invoke(reading).await, NOTHING);
    }
    let read = lambda.items("/read?device_id=d").await;
    assert_eq!(read.len(), 1, "{read:?}");
    assert_eq!(read[0]["id"], "u-1");
    assert_eq!(read[0]["payload"]["device_id"], "d");

    let error = json!({
        "id": "e-1", "twin_id": "factory-01", "cloud_provider": "aws", "severity": "WARNING",
        "component": "L2-Connector", "error_code": "SOME_CODE", "message": "some message",
        "timestamp": "2026-01-01T00:00:00Z",
    });
    let event = json!({
        "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": "Error",
        "source": "twin2multicloud.connector", "account": "123456789012", "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1", "resources": [], "detail": error,
    });
    assert_eq!(lambda.invoke(event).await, NOTHING);
    let errors = lambda.items("/errors").await;
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(
        (&errors[0]["id"], &errors[0]["error_code"]),
        (&json!("e-1"), &json!("SOME_CODE"))
    );

    let envelope = r#"{"source_cloud":"aws","target_layer":"L2","message_type":"event","timestamp":"2026-01-01T00:00:00Z","payload":{"device_id":"q"}}"#;
    let copy = json!({"letter_id": "l", "id": "i-1", "peer": "ingestion", "stored_at": 1, "envelope": envelope});
    let all_taken = Outcome::Response(json!({"batchItemFailures": []}));
    assert_eq!(lambda.invoke(queue(&[&copy.to_string()])).await, all_taken);
    let read = lambda.items("/read?device_id=q").await;
    assert_eq!(read.len(), 1, "{read:?}");
    assert_eq!(read[0]["id"], "i-1");

    // A device that names another one.
    let forged = iot("d", "u-2", r#"{"device_id":"q"}"#);
    assert_eq!(lambda.invoke(forged).await, NOTHING);
    let letters = lambda.items("/dead-letters").await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0]["peer"], "event");
    eventually("the refusal is reported", async || {
        let errors = lambda.items("/errors").await;
        let mut codes = errors.iter().map(|error| &error["error_code"]);
        codes.any(|code| code == "EVENT_REFUSED").then_some(())
    })
    .await;

    // No connector sends to `event`.
    let replayed = lambda.post("/dead-letters/replay", "").await;
    assert_eq!(replayed.status(), 200, "{replayed:?}");
    assert_eq!(lambda.items("/dead-letters").await.len(), 1, "{replayed:?}");
}

#[tokio::test]
async fn what_is_not_taken_over_fails_so_that_the_platform_repeats_it() {
    let base = "/.rt";
    let Some(lambda) = Environment::start(Host::of(Aws, "writer"), base).await else {
        return;
    };
    let kind = async |payload| match lambda.invoke(payload).await {
        Outcome::Error(error) => error["errorType"].as_str().unwrap().to_owned(),
        Outcome::Response(result) => panic!("{result}"),
    };
    assert_eq!(kind(iot("d", "u-1", "{}")).await, "EventNotTaken");
    assert_eq!(kind(json!({"secret": "value"})).await, "UnknownEvent");
    assert!(!lambda.said("value"), "the payload is in the log");
    let failed = ["m0", "m1"].map(|id| json!({"itemIdentifier": id}));
    assert_eq!(
        lambda.invoke(queue(&["{}", "{}"])).await,
        Outcome::Response(json!({"batchItemFailures": failed}))
    );
    // A failed invocation does not end the environment.
    let envelope = r#"{"source_cloud":"gcp","target_layer":"L3","message_type":"event","timestamp":"2026-01-01T00:00:00Z","payload":{"device_id":"d"}}"#;
    assert_eq!(lambda.post("/write", envelope).await.status(), 200);
    assert!(lambda.stop().success());
}

#[tokio::test]
async fn what_is_not_delivered_is_a_letter_before_the_invocation_ends() {
    // It takes connections, and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/ingest", silent.local_addr().unwrap());
    let host = Host::of(Aws, "connector")
        .set("REMOTE_INGESTION_URL", &url)
        .set("ATTEMPT_TIMEOUT_MS", "600000")
        .set("FUNCTION_DEADLINE_MS", "600000");
    let Some(lambda) = Environment::start(host, "").await else {
        return;
    };
    let request = lambda.keyed("POST", "/telemetry", r#"{"device_id":"d"}"#);
    let sent = lambda.send(request, Duration::from_secs(5)).await;
    assert_eq!(sent.status(), 202, "{sent:?}");
    assert_eq!(sent.body()["status"], "dead-lettered");
    assert_eq!(lambda.items("/dead-letters").await.len(), 1);
}
