//! Calls by the Functions host, and calls that only look like them.

use http::Request;
use serde_json::{Value, json};

use super::*;
use crate::ingress::events::Subject;

/// The form of `HttpScriptInvocationContext` in the source of the Functions host.
const INVOCATION: &str = include_str!("invocation.json");

fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

/// What the host adds to every call of its own.
const OF_THE_HOST: [(&str, &str); 3] = [
    ("X-Azure-Functions-HostVersion", "4.1041.200.0"),
    (
        "X-Azure-Functions-InvocationId",
        "9af86784-8d40-4e29-8b2a-bab65e106785",
    ),
    ("User-Agent", "Azure-Functions-Host/4.1041.200.0"),
];

#[test]
fn only_the_functions_host_reaches_a_trigger() {
    for (path, topic) in [
        ("/telemetry-events", Some(Topic::Telemetry)),
        ("/system-error-events", Some(Topic::SystemErrors)),
        ("/telemetry-events/", None),
        ("/api/telemetry-events", None),
        ("/telemetry", None),
        ("/", None),
    ] {
        assert_eq!(trigger(&head("POST", path, &OF_THE_HOST)), topic, "{path}");
        assert_eq!(trigger(&head("GET", path, &OF_THE_HOST)), None, "{path}");
        for header in FROM_OUTSIDE {
            let mut headers = OF_THE_HOST.to_vec();
            headers.push((header, "x"));
            assert_eq!(trigger(&head("POST", path, &headers)), None, "{header}");
        }
    }
}

#[test]
fn no_function_for_events_has_the_name_of_a_route() {
    for name in [TELEMETRY_FUNCTION, ERRORS_FUNCTION] {
        let path = format!("/{name}");
        let mut routes = twin_contract::FunctionName::ALL
            .into_iter()
            .flat_map(twin_contract::FunctionName::routes);
        assert!(
            routes.all(|route| *route != path && !path.starts_with(&format!("{route}/"))),
            "{name}"
        );
    }
}

#[test]
fn a_ping_is_a_get_of_the_root() {
    assert!(is_ping(&head("GET", "/", &[])));
    assert!(is_ping(&head("HEAD", "/", &[])));
    assert!(!is_ping(&head("POST", "/", &[])));
    assert!(!is_ping(&head("GET", "/read", &[])));
}

#[test]
fn the_event_is_read_as_an_object_and_as_a_text_however_often_it_was_encoded() {
    let expected = Event {
        subject: Subject::Telemetry {
            device: Some("d1".to_owned()),
        },
        id: Some("9af86784-8d40-4e29-8b2a-bab65e106785".to_owned()),
        body: br#"{"temperature":25.40}"#.to_vec(),
        raw: Vec::new(),
    };
    let mut invocation: Value = serde_json::from_str(INVOCATION).unwrap();
    let mut texts = vec![INVOCATION.to_owned()];
    for _ in 0..NESTED {
        let event = invocation["Data"]["event"].to_string();
        invocation["Data"]["event"] = event.into();
        texts.push(invocation.to_string());
    }
    for text in texts {
        let mut events = read(Topic::Telemetry, text.as_bytes()).unwrap();
        let raw = std::mem::take(&mut events[0].raw);
        assert_eq!(events, std::slice::from_ref(&expected));
        let kept: Value = serde_json::from_slice(&raw).unwrap();
        assert_eq!(kept["data"]["body"], "eyJ0ZW1wZXJhdHVyZSI6MjUuNDB9");
    }
    // A trigger with the cardinality `many`.
    let event = invocation["Data"]["event"].as_str().unwrap();
    let event: Value = serde_json::from_str(&unwrapped(event)).unwrap();
    let many = json!({ "Data": { "events": [event, event] }, "Metadata": {} });
    let events = read(Topic::Telemetry, many.to_string().as_bytes()).unwrap();
    assert_eq!(events.len(), 2);
}

fn unwrapped(text: &str) -> String {
    match serde_json::from_str(text) {
        Ok(Value::String(inner)) => unwrapped(&inner),
        _ => text.to_owned(),
    }
}

#[test]
fn what_is_no_invocation_is_refused() {
    for (body, part) in [
        ("{}", "`Data`"),
        ("[]", "an invocation"),
        (r#"{"Data":{}}"#, "one binding"),
        (r#"{"Data":{"a":{},"b":{}}}"#, "one binding"),
        // An HTTP trigger of such a name.
        (
            r#"{"Data":{"req":{"Url":"https://x","Method":"POST"}},"Metadata":{}}"#,
            "this is no event",
        ),
        (r#"{"Data":{"event":"temperature"}}"#, "cannot be read"),
    ] {
        let error = read(Topic::Telemetry, body.as_bytes()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(part), "{body}: {text}");
    }
}

#[test]
fn the_answer_is_what_the_host_expects() {
    let reply = succeeded();
    assert_eq!(reply.status, 200);
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(
        body,
        json!({ "Outputs": {}, "Logs": [], "ReturnValue": null })
    );
}
