//! The examples of the vendors' documentation, and what differs from them.

use http::{HeaderName, HeaderValue};

use super::*;
use crate::ingress::events::Subject;

const IOT_HUB_BASE64: &str = include_str!("examples/iot_hub_base64.json");
const IOT_HUB_PLAIN: &str = include_str!("examples/iot_hub_plain.json");
const DEVICE_CONNECTED: &str = include_str!("examples/device_connected.json");
const SYSTEM_ERROR: &str = include_str!("examples/system_error.json");
const PUBSUB_PUSH: &str = include_str!("examples/pubsub_push.json");
const VALIDATION: &str = include_str!("examples/subscription_validation.json");

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    list.iter()
        .map(|(name, value)| {
            let value = HeaderValue::from_str(value).unwrap();
            (HeaderName::from_static(name), value)
        })
        .collect()
}

fn read_one(topic: Topic, list: &[(&'static str, &str)], body: &str) -> Event {
    let events = read(topic, &headers(list), body.as_bytes()).unwrap();
    let [event]: [Event; 1] = events.try_into().unwrap();
    event
}

fn refusal(topic: Topic, list: &[(&'static str, &str)], body: &str) -> (&'static str, String) {
    let error = read(topic, &headers(list), body.as_bytes()).unwrap_err();
    (error.code().as_str(), error.to_string())
}

fn telemetry(device: Option<&str>) -> Subject {
    Subject::Telemetry {
        device: device.map(str::to_owned),
    }
}

/// The elements of an array, as written.
fn elements(array: &str) -> Vec<&str> {
    let elements: Vec<&RawValue> = serde_json::from_str(array).unwrap();
    elements.into_iter().map(RawValue::get).collect()
}

#[test]
fn a_reading_of_iot_hub_is_the_bytes_of_the_device_that_it_authenticated() {
    let event = read_one(Topic::Telemetry, &[], IOT_HUB_BASE64);
    assert_eq!(
        event,
        Event {
            subject: telemetry(Some("testdevice002")),
            id: Some("5688af62-10e8-7f2a-535a-1f9d8a09f78b".to_owned()),
            body: br#"{"temperature":25.40,"time":"2022-09-09T16:20:43Z"}"#.to_vec(),
            raw: elements(IOT_HUB_BASE64)[0].as_bytes().to_vec(),
        }
    );
    let event = read_one(Topic::Telemetry, &[], IOT_HUB_PLAIN);
    assert_eq!(event.subject, telemetry(Some("d1")));
    assert_eq!(
        event.body,
        br#"{ "Weather": { "Temperature": 900.0 }, "Location": "USA" }"#
    );
    // The documentation's id is no UUID, and so unique only together with its source.
    let id = event.id.unwrap();
    assert_eq!(id.len(), 64);
    let elsewhere = IOT_HUB_PLAIN.replace("<hub name>", "other");
    assert_ne!(read_one(Topic::Telemetry, &[], &elsewhere).id.unwrap(), id);
}

#[test]
fn a_text_of_iot_hub_that_is_no_base64_goes_on_as_it_is() {
    let encoded = elements(IOT_HUB_BASE64)[0];
    let start = encoded.find("\"body\": ").unwrap() + 8;
    let end = start + encoded[start..].find('\n').unwrap();
    let text = format!("{}\"not base64\"{}", &encoded[..start], &encoded[end..]);
    let event = read_one(Topic::Telemetry, &[], &text);
    assert_eq!(event.body, b"\"not base64\"");
}

#[test]
fn what_iot_hub_says_about_itself_is_no_reading() {
    let (code, text) = refusal(Topic::Telemetry, &[], DEVICE_CONNECTED);
    assert_eq!(code, "FIELD_INVALID");
    assert!(text.contains("Microsoft.Devices.DeviceConnected"), "{text}");
    // Nor is a reading a system error.
    assert_eq!(
        refusal(Topic::SystemErrors, &[], IOT_HUB_PLAIN).0,
        "FIELD_INVALID"
    );
    let without = IOT_HUB_PLAIN.replace("iothub-connection-device-id", "another-id");
    let (code, text) = refusal(Topic::Telemetry, &[], &without);
    assert_eq!(code, "FIELD_INVALID");
    assert!(text.contains("iothub-connection-device-id"), "{text}");
}

#[test]
fn a_batch_is_its_events_in_order() {
    let batch = format!("[{SYSTEM_ERROR},{PUBSUB_PUSH}]");
    let events = read_document(Topic::SystemErrors, batch.as_bytes()).unwrap();
    let ids: Vec<_> = events.iter().map(|event| event.id.as_deref()).collect();
    assert_eq!(
        ids,
        [
            Some("0198f0c4-5b00-7cc3-98c4-dc0c0c07398f"),
            Some("2070443601311540")
        ]
    );
    assert_eq!(read_document(Topic::SystemErrors, b" []").unwrap(), []);
    // One that cannot be read refuses the others.
    let batch = format!("[{SYSTEM_ERROR},{{}}]");
    assert!(read_document(Topic::SystemErrors, batch.as_bytes()).is_err());
}

#[test]
fn a_system_error_is_the_data_of_its_event() {
    let event = read_one(Topic::SystemErrors, &[], SYSTEM_ERROR);
    assert_eq!(event.subject, Subject::SystemError);
    assert!(
        event
            .body
            .starts_with(br#"{"twin_id":"factory-01","cloud_provider""#)
    );
    assert_eq!(event.raw, SYSTEM_ERROR.trim_end().as_bytes());
}

#[test]
fn a_cloud_event_carries_its_data_as_json_as_text_or_as_base64() {
    let event = |more: &str| {
        format!(r#"{{"specversion":"1.0","id":"a b","source":"/s","type":"reading",{more}}}"#)
    };
    for (more, body) in [
        (r#""data":{"t":1.50}"#, r#"{"t":1.50}"#),
        (r#""data":"{\"t\":1.50}""#, r#""{\"t\":1.50}""#),
        (
            r#""datacontenttype":"application/json; charset=utf-8","data":"x""#,
            r#""x""#,
        ),
        (
            r#""datacontenttype":"text/plain","data":"{\"t\":1.50}""#,
            r#"{"t":1.50}"#,
        ),
        (r#""data_base64":"eyJ0IjoxLjUwfQ==""#, r#"{"t":1.50}"#),
    ] {
        let event = read_one(Topic::Telemetry, &[], &event(more));
        assert_eq!(event.body, body.as_bytes(), "{more}");
        assert_eq!(event.subject, telemetry(None));
        let id = event.id.unwrap();
        assert!(MessageId::parse(&id).is_ok(), "{id}");
    }
    for (more, code, part) in [
        (r#""x":1"#, "FIELD_MISSING", "`data`"),
        (r#""data_base64":"?""#, "FIELD_INVALID", "`data_base64`"),
    ] {
        let (found, text) = refusal(Topic::Telemetry, &[], &event(more));
        assert_eq!(found, code);
        assert!(text.contains(part), "{text}");
    }
    let old = event(r#""data":{}"#).replace("1.0", "0.3");
    assert_eq!(refusal(Topic::Telemetry, &[], &old).0, "FIELD_INVALID");
}

/// As Eventarc sends it.
const BINARY: [(&str, &str); 6] = [
    ("ce-id", "1096434104173400"),
    (
        "ce-source",
        "//pubsub.googleapis.com/projects/my-project/topics/my-topic",
    ),
    ("ce-specversion", "1.0"),
    ("ce-type", "google.cloud.pubsub.topic.v1.messagePublished"),
    ("ce-time", "2020-12-20T13:37:33.647Z"),
    ("content-type", "application/json"),
];

#[test]
fn a_cloud_event_in_headers_is_kept_in_structured_form() {
    let event = read_one(Topic::Telemetry, &BINARY, PUBSUB_PUSH);
    assert_eq!(event.body, b"Hello Cloud Pub/Sub! Here is my message!");
    assert_eq!(event.id.as_deref(), Some("2070443601311540"));
    let kept = String::from_utf8(event.raw).unwrap();
    let again = read_one(Topic::Telemetry, &[], &kept);
    assert_eq!(again.body, event.body);
    assert_eq!(again.id, event.id);
    // Any other type has its message as the body.
    let mut other = BINARY;
    other[3].1 = "reading";
    let event = read_one(Topic::Telemetry, &other, r#"{"t":1.50}"#);
    assert_eq!(event.body, br#"{"t":1.50}"#);
    let kept = String::from_utf8(event.raw).unwrap();
    assert!(
        kept.contains(r#""time":"2020-12-20T13:37:33.647Z""#),
        "{kept}"
    );
    assert_eq!(
        read_one(Topic::Telemetry, &[], &kept).id.unwrap(),
        event.id.unwrap()
    );
    let (code, text) = refusal(Topic::Telemetry, &BINARY[1..], PUBSUB_PUSH);
    assert_eq!(
        (code, text.as_str()),
        ("FIELD_MISSING", "`ce-id` is missing")
    );
}

#[test]
fn structured_mode_wins_over_headers() {
    let list = [
        (
            "content-type",
            "application/cloudevents+json; charset=utf-8",
        ),
        ("ce-specversion", "1.0"),
    ];
    let event = read_one(Topic::SystemErrors, &list, SYSTEM_ERROR);
    assert_eq!(
        event.id.as_deref(),
        Some("0198f0c4-5b00-7cc3-98c4-dc0c0c07398f")
    );
}

#[test]
fn a_message_of_pubsub_is_its_data() {
    let event = read_one(Topic::Telemetry, &[], PUBSUB_PUSH);
    assert_eq!(
        event,
        Event {
            subject: telemetry(None),
            id: Some("2070443601311540".to_owned()),
            body: b"Hello Cloud Pub/Sub! Here is my message!".to_vec(),
            raw: PUBSUB_PUSH.trim_end().as_bytes().to_vec(),
        }
    );
    let attributes = r#""deviceId": "d-7", "id": "01J-x""#;
    let with = PUBSUB_PUSH.replace(r#""key": "value""#, attributes);
    let event = read_one(Topic::Telemetry, &[], &with);
    assert_eq!(event.subject, telemetry(Some("d-7")));
    assert_eq!(event.id.as_deref(), Some("2070443601311540"));
    // The twin's own topics have the publisher's id, which a message that is published twice has twice.
    for topic in [Topic::SystemErrors, Topic::Letters] {
        let event = read_one(topic, &[], &with);
        assert_eq!(event.id.as_deref(), Some("01J-x"));
    }
    let empty = PUBSUB_PUSH.replace("\"data\"", "\"other\"");
    assert_eq!(
        refusal(Topic::Telemetry, &[], &empty),
        ("FIELD_MISSING", "`message.data` is missing".to_owned())
    );
    let bad = PUBSUB_PUSH.replace("SGVs", "????");
    assert_eq!(refusal(Topic::Telemetry, &[], &bad).0, "FIELD_INVALID");
}

#[test]
fn an_unwrapped_message_of_pubsub_is_the_body_and_is_kept_wrapped() {
    let list = [
        ("x-goog-pubsub-message-id", "7"),
        (
            "x-goog-pubsub-subscription-name",
            "projects/p/subscriptions/s",
        ),
        ("x-goog-pubsub-publish-time", "2021-02-26T19:13:55.749Z"),
        ("deviceid", "d-7"),
    ];
    let event = read_one(Topic::Telemetry, &list, r#"{"t":1.50}"#);
    assert_eq!(event.subject, telemetry(Some("d-7")));
    assert_eq!(event.id.as_deref(), Some("7"));
    assert_eq!(event.body, br#"{"t":1.50}"#);
    let kept = String::from_utf8(event.raw.clone()).unwrap();
    let again = read_one(Topic::Telemetry, &[], &kept);
    assert_eq!(again, event);
    assert_eq!(refusal(Topic::Telemetry, &list, "").0, "FIELD_MISSING");
}

#[test]
fn what_is_no_event_is_refused_with_what_was_expected() {
    for (body, code, part) in [
        ("", "BODY_NOT_JSON", "EOF"),
        ("temperature=25", "BODY_NOT_JSON", "line 1"),
        ("{\"a\":\u{0}}", "BODY_NOT_JSON", "line 1"),
        ("{}", "FIELD_MISSING", "`specversion`"),
        (
            r#"{"iotDeviceId":"d","temperature":1}"#,
            "FIELD_MISSING",
            "CloudEvent",
        ),
        ("7", "FIELD_INVALID", "a JSON object"),
        ("[7]", "FIELD_INVALID", "a JSON object"),
        (r#"{"specversion":"1.0"}"#, "FIELD_INVALID", "`id`"),
        (r#"{"eventType":"x","id":"1"}"#, "FIELD_INVALID", "`data`"),
        (r#"{"message":"x"}"#, "FIELD_INVALID", "expected"),
    ] {
        let (found, text) = refusal(Topic::Telemetry, &[], body);
        assert_eq!(found, code, "{body}: {text}");
        assert!(text.contains(part), "{body}: {text}");
    }
    let invalid = read(Topic::Telemetry, &HeaderMap::new(), b"{\"a\":\"\xff\"}").unwrap_err();
    assert_eq!(invalid.code().as_str(), "BODY_NOT_JSON");
}

#[test]
fn the_code_of_a_validation_is_found_and_nothing_else_is_one() {
    assert_eq!(
        validation_code(VALIDATION.as_bytes()).unwrap(),
        "512d38b6-c7b8-40c8-89fe-f46f9e9622b6"
    );
    for other in [
        IOT_HUB_BASE64.to_owned(),
        "[]".to_owned(),
        VALIDATION.replace("SubscriptionValidationEvent", "SubscriptionDeletedEvent"),
    ] {
        let error = validation_code(other.as_bytes()).unwrap_err();
        assert_eq!(error.code().as_str(), "FIELD_INVALID", "{other}");
    }
}
