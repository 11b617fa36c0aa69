//! Azure: Event Grid's deliveries through the Functions host, whose place `function-host` takes.

use reqwest::Method;
use serde_json::json;
use twin_contract::Cloud::Azure;
use twin_tests::hosts::house::Host;

use super::{packaged, system_error};

/// Delivers as Event Grid does, and returns the status.
async fn deliver(host: &Host, function: &str, events: &serde_json::Value) -> u16 {
    let path = format!("/runtime/webhooks/EventGrid?functionName={function}");
    let headers = [("aeg-event-type", "Notification")];
    let reply = host
        .send(Method::POST, &path, &headers, &events.to_string())
        .await;
    reply.expect("a reply").status
}

#[tokio::test]
async fn event_grid_delivers_through_the_functions_host() {
    let Some(host) = packaged(Azure) else {
        return;
    };
    let host = host.start().await;
    let telemetry = |id: &str, body: &str| {
        json!({
            "id": id, "topic": "/subscriptions/s/resourceGroups/r/providers/Microsoft.Devices/IotHubs/hub",
            "subject": "devices/sensor-1", "eventType": "Microsoft.Devices.DeviceTelemetry",
            "eventTime": "2026-01-01T00:00:00Z", "dataVersion": "", "metadataVersion": "1",
            "data": {
                "properties": {}, "body": body,
                "systemProperties": {
                    "iothub-connection-device-id": "sensor-1",
                    "iothub-enqueuedtime": "2026-01-01T00:00:00Z",
                },
            },
        })
    };
    // `{"temperature":25.40}`
    let reading = telemetry(
        "0b7f6f0e-4b1c-4a59-9b0a-0a9a5f0b7d10",
        "eyJ0ZW1wZXJhdHVyZSI6MjUuNDB9",
    );
    for _ in 0..2 {
        assert_eq!(
            deliver(&host, "telemetry-events", &json!([reading])).await,
            200
        );
    }
    let read = host.get("/read?device_id=sensor-1").await;
    read.assert_status(200);
    assert!(
        read.text.contains(r#""temperature":25.40"#),
        "{}",
        read.text
    );
    assert_eq!(host.items("/read?device_id=sensor-1").await.len(), 1);

    let error = json!({
        "specversion": "1.0", "id": "9d9a1c6e-8f39-4d5f-8b52-1c1d5f2e9a01", "source": "twin", "type": "Error",
        "data": system_error(),
    });
    assert_eq!(deliver(&host, "system-error-events", &error).await, 200);
    let errors = host.items("/errors").await;
    assert_eq!(errors.len(), 1, "{errors:?}");

    // A trigger is out of reach for everything but the Functions host.
    let (name, key) = host.credential();
    let reply = host
        .send(Method::POST, "/telemetry-events", &[(name, &key)], "{}")
        .await;
    assert_eq!(reply.expect("a reply").status, 404);
}
