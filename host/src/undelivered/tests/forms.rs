use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{super::Form, message};
use crate::ingress::events::{Event, Subject, Topic};

fn read(form: Form, body: &str) -> Vec<Event> {
    form.read(&message("m", body)).unwrap()
}

fn one(form: Form, body: &str) -> Event {
    let mut events = read(form, body);
    assert_eq!(events.len(), 1);
    events.pop().unwrap()
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The event of an IoT Hub, as a blob has it.
const TELEMETRY: &str = r#"[{
    "id": "9af86784-8d40-fe2g-8b2a-bab65e106785",
    "topic": "/SUBSCRIPTIONS/s/RESOURCEGROUPS/r/PROVIDERS/MICROSOFT.DEVICES/IOTHUBS/h",
    "subject": "devices/sensor-1",
    "eventType": "Microsoft.Devices.DeviceTelemetry",
    "eventTime": "2026-01-01T00:00:00Z",
    "data": {
        "properties": {},
        "systemProperties": {"iothub-connection-device-id": "sensor-1"},
        "body": {"t": 25.40}
    },
    "dataVersion": "",
    "metadataVersion": "1",
    "deadLetterReason": "MaxDeliveryAttemptsExceeded",
    "deliveryAttempts": 1,
    "lastDeliveryOutcome": "NotFound",
    "lastHttpStatusCode": 404,
    "publishTime": "2026-01-01T00:00:01Z",
    "lastDeliveryAttemptTime": "2026-01-01T00:00:02Z"
}]"#;

#[test]
fn a_reading_of_an_iot_hub_comes_back_digit_by_digit_and_without_the_reason() {
    let event = one(Form::EventGrid(Topic::Telemetry), TELEMETRY);
    let device = Some("sensor-1".to_owned());
    assert_eq!(event.subject, Subject::Telemetry { device });
    assert_eq!(event.body, br#"{"t": 25.40}"#);
    let raw = String::from_utf8(event.raw.clone()).unwrap();
    assert!(raw.contains("25.40"), "{raw}");
    let raw = json_of(&event.raw);
    let names: Vec<_> = raw
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let delivered = [
        "data",
        "dataVersion",
        "eventTime",
        "eventType",
        "id",
        "metadataVersion",
        "subject",
        "topic",
    ];
    assert_eq!(names, delivered);
    // The same event, delivered by itself, has the same identity.
    let mut direct = json_of(TELEMETRY.as_bytes())[0].clone();
    direct.as_object_mut().unwrap().remove("deadLetterReason");
    let direct = one(Form::EventGrid(Topic::Telemetry), &direct.to_string());
    assert_eq!(event.id, direct.id);
    assert!(event.id.is_some());
}

#[test]
fn an_event_of_cloudevents_comes_back_as_it_was_published() {
    let error = json!({"error_code": "X", "publishTime": "kept"});
    let published = json!({
        "specversion": "1.0", "id": "caee971c-3ca0-4254-8f99-1395b394588e", "source": "twin2multicloud.writer",
        "type": "Error", "datacontenttype": "application/json", "data": error,
    });
    let mut dead = published.clone();
    for (name, value) in [
        ("deadletterreason", json!("MaxDeliveryAttemptsExceeded")),
        ("deliveryattempts", json!(1)),
        ("lastdeliveryoutcome", json!("NotFound")),
        ("publishtime", json!("2020-08-13T21:21:36.4018726Z")),
    ] {
        dead[name] = value;
    }
    for blob in [dead.to_string(), format!("\u{feff}[{dead}]")] {
        let event = one(Form::EventGrid(Topic::SystemErrors), &blob);
        assert_eq!(event.subject, Subject::SystemError);
        assert_eq!(
            event.id.as_deref(),
            Some("caee971c-3ca0-4254-8f99-1395b394588e")
        );
        assert_eq!(json_of(&event.body), error);
        assert_eq!(json_of(&event.raw), published);
    }
}

#[test]
fn topics_of_a_namespace_have_two_forms() {
    let event = json!({
        "specversion": "1.0", "type": "com.example.someevent", "source": "/mycontext", "id": "A234-1234-1234",
        "time": "2018-04-05T17:31:00Z", "datacontenttype": "application/json", "data": {"device_id": "d"},
    });
    let reason = json!({
        "deadletterreason": "Undeliverable due to client error", "deliveryattempts": 3, "deliveryresult": "Unauthorized",
        "publishutc": "2023-06-19T23:28:08.3063899Z", "deliveryattemptutc": "2023-06-09T23:28:08.3220145Z",
    });
    let custom = json!({"custom-header-1": "value1"});
    let mut flat = event.clone();
    flat["deadletterProperties"] = reason.clone();
    flat["customDeliveryProperties"] = custom.clone();
    let within =
        json!({"event": event, "customDeliveryProperties": custom, "deadletterProperties": reason});
    for blob in [flat, within] {
        let read = one(Form::EventGrid(Topic::Telemetry), &blob.to_string());
        assert_eq!(json_of(&read.raw), event, "{blob}");
        assert_eq!(json_of(&read.body), json!({"device_id": "d"}));
    }
}

#[test]
fn a_blob_has_several_events_and_all_of_them_are_read_or_none() {
    let event = |n: u32| {
        json!({"specversion": "1.0", "type": "t", "source": "s", "id": n.to_string(), "data": {"n": n},
            "deadletterreason": "TimeToLiveExceeded"})
    };
    let blob = json!([event(1), event(2)]).to_string();
    let events = read(Form::EventGrid(Topic::Telemetry), &blob);
    assert_eq!(events.len(), 2);
    for blob in ["", "7", r#"[{"x":1}]"#, "<xml/>"] {
        let form = Form::EventGrid(Topic::Telemetry);
        let read = form.read(&message("m", blob));
        assert!(read.is_err(), "{blob}");
    }
    let blob = format!("[{},{{\"x\":1}}]", event(1));
    let read = Form::EventGrid(Topic::Telemetry).read(&message("m", &blob));
    assert!(read.is_err(), "one of them is no event");
}

#[test]
fn a_message_of_pubsub_comes_back_as_it_would_be_pushed() {
    let pulled = json!({
        "data": STANDARD.encode(r#"{"t":25.40}"#),
        "attributes": {
            "deviceId": "sensor-1",
            "CloudPubSubDeadLetterSourceDeliveryCount": "5",
            "CloudPubSubDeadLetterSourceSubscription": "twin-telemetry",
            "CloudPubSubDeadLetterSourceSubscriptionProject": "my-project",
            "CloudPubSubDeadLetterSourceTopicPublishTime": "2026-01-01T00:00:00Z",
        },
        "messageId": "19917247034",
        "publishTime": "2026-01-01T00:00:01Z",
        "orderingKey": "k",
    });
    let event = one(Form::PubSub(Topic::Telemetry), &pulled.to_string());
    let device = Some("sensor-1".to_owned());
    assert_eq!(event.subject, Subject::Telemetry { device });
    assert_eq!(event.id.as_deref(), Some("19917247034"));
    assert_eq!(event.body, br#"{"t":25.40}"#);
    let mut message = pulled.clone();
    message["attributes"] = json!({"deviceId": "sensor-1"});
    let pushed = json!({"message": message, "subscription": "projects/my-project/subscriptions/twin-telemetry"});
    assert_eq!(json_of(&event.raw), pushed);
}

#[test]
fn a_twins_own_messages_keep_the_id_that_they_were_published_with() {
    let envelope = r#"{"payload":{}}"#;
    let pulled = json!({
        "data": STANDARD.encode(envelope),
        "attributes": {"id": "i-1", "letter_id": "l", "peer": "writer"},
        "messageId": "7",
    });
    let event = one(Form::PubSub(Topic::Letters), &pulled.to_string());
    assert_eq!(event.subject, Subject::Letter);
    assert_eq!(event.id.as_deref(), Some("i-1"));
    assert_eq!(event.body, envelope.as_bytes());
    // A message without attributes, and one without content.
    let bare = json!({"data": "e30=", "messageId": "8"}).to_string();
    assert_eq!(one(Form::PubSub(Topic::Telemetry), &bare).body, b"{}");
    let empty = json!({"messageId": "9"}).to_string();
    let read = Form::PubSub(Topic::Telemetry).read(&message("9", &empty));
    assert!(read.is_err());
}
