use serde_json::{Value, json};
use twin_capabilities::Undelivered;

use super::{super::Form, message};
use crate::ingress::events::{Event, Subject};

fn of_lambda(body: &str) -> Undelivered {
    let mut message = message("m-1", body);
    message.attributes = [
        ("RequestID", "e4b46cbf-b738-xmpl-8880-a18cdf61200e"),
        ("ErrorCode", "200"),
        ("ErrorMessage", "EventNotTaken"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    message
}

/// The example of AWS's documentation, with another event in it.
fn record(payload: &Value) -> String {
    json!({
        "version": "1.0",
        "timestamp": "2019-11-14T18:16:05.568Z",
        "requestContext": {
            "requestId": "e4b46cbf-b738-xmpl-8880-a18cdf61200e",
            "functionArn": "arn:aws:lambda:us-east-1:123456789012:function:my-function:$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        },
        "requestPayload": payload,
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "responsePayload": {"errorMessage": "RequestId: e4b46cbf-b738-xmpl-8880-a18cdf61200e Process exited before completing request"},
    })
    .to_string()
}

fn one(message: &Undelivered) -> Event {
    let mut events = Form::Lambda.read(message).unwrap();
    assert_eq!(events.len(), 1);
    events.pop().unwrap()
}

#[test]
fn an_event_is_the_same_from_a_dead_letter_queue_and_from_a_destination() {
    let reading =
        json!({"twin": "telemetry", "body": "eyJ0IjoyNS40MH0=", "device": "d", "id": "u-1"});
    let error = json!({
        "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": "Error",
        "source": "twin2multicloud.writer", "account": "123456789012", "time": "2026-01-01T00:00:00Z",
        "region": "us-east-1", "resources": [], "detail": {"id": "e-1", "error_code": "X"},
    });
    let device = Some("d".to_owned());
    for (payload, subject, id) in [
        (reading, Subject::Telemetry { device }, "u-1"),
        (error, Subject::SystemError, "e-1"),
    ] {
        let queued = one(&of_lambda(&payload.to_string()));
        assert_eq!(
            (&queued.subject, queued.id.as_deref()),
            (&subject, Some(id))
        );
        assert_eq!(queued.raw, payload.to_string().as_bytes());
        let sent = one(&message("m-2", &record(&payload)));
        assert_eq!(sent, queued);
        // The dead-letter queue of a rule of EventBridge adds attributes of its own.
        assert_eq!(one(&message("m-3", &payload.to_string())), queued);
    }
}

#[test]
fn what_a_queue_could_not_give_to_a_function_is_a_letter() {
    for body in [
        r#"{"letter_id":"l","id":"i","peer":"ingestion","stored_at":1,"envelope":"{}"}"#,
        r#"{"source_cloud":"aws","payload":{}}"#,
        "no JSON",
    ] {
        let event = one(&message("m-1", body));
        assert_eq!(event.subject, Subject::Letter);
        assert_eq!(event.id.as_deref(), Some("m-1"));
        assert_eq!((event.body, event.raw), (body.into(), body.into()));
    }
    let record = |id| json!({"messageId": id, "body": "{}", "eventSource": "aws:sqs"});
    let batch = json!({"Records": [record("a"), record("b")]}).to_string();
    let events = Form::Lambda.read(&of_lambda(&batch)).unwrap();
    let ids: Vec<_> = events.iter().map(|event| event.id.as_deref()).collect();
    assert_eq!(ids, [Some("a"), Some("b")]);
}

#[test]
fn what_the_function_would_not_read_either_stays() {
    let request = json!({"version": "2.0", "rawPath": "/write", "rawQueryString": "", "headers": {},
        "requestContext": {"http": {"method": "POST", "path": "/write", "sourceIp": "203.0.113.7"}}, "isBase64Encoded": false});
    let foreign =
        json!({"detail-type": "Object Created", "source": "aws.s3", "id": "i", "detail": {}});
    for message in [
        of_lambda(r#"{"secret":"value"}"#),
        of_lambda("secret-value"),
        message("m", &record(&json!({"ORDER_IDS": ["secret-value"]}))),
        message("m", &request.to_string()),
        message("m", &foreign.to_string()),
    ] {
        let unreadable = Form::Lambda.read(&message).unwrap_err();
        assert!(!unreadable.to_string().contains("secret-value"));
    }
}
