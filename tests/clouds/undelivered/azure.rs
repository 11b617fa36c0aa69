//! What Event Grid puts into a container of Blob Storage.

use serde_json::{Value, json};
use twin_contract::Cloud::Azure;

use super::{counts, numbers, queues::Containers, replay, whole_twin};

#[tokio::test]
async fn what_event_grid_could_not_deliver_is_delivered_from_its_container_once() {
    let containers = or_skip!(Containers::find());
    let container = containers.create().await;
    let host = whole_twin(Azure);
    let event = |id: &str, device: &str, body: Value| {
        json!({
            "id": id, "topic": "/SUBSCRIPTIONS/s", "subject": "devices/d", "eventType": "Microsoft.Devices.DeviceTelemetry",
            "eventTime": "2026-01-01T00:00:00Z", "dataVersion": "", "metadataVersion": "1",
            "data": {"properties": {}, "systemProperties": {"iothub-connection-device-id": device}, "body": body},
            "deadLetterReason": "MaxDeliveryAttemptsExceeded", "deliveryAttempts": 1, "lastDeliveryOutcome": "NotFound",
            "publishTime": "2026-01-01T00:00:01Z", "lastDeliveryAttemptTime": "2026-01-01T00:00:02Z",
        })
    };
    let forged = event("r-3", "d", json!({"device_id": "other"}));
    let first = json!([
        event("r-1", "d", json!({"t": 1})),
        event("r-2", "d", json!("eyJ0IjoyfQ==")),
        forged
    ]);
    let blob = "TELEMETRY/2026/1/1/5/8bc07e6f-0885-4729-90e4-7c3f052bd754.json";
    containers.put(&container, blob, &first.to_string()).await;
    let bad = "TELEMETRY/2026/1/1/5/bad.json";
    let half = json!([event("r-4", "d", json!({})), {"x": 1}]);
    containers.put(&container, bad, &half.to_string()).await;

    let without = or_built!(replay(&host, &container, &[]));
    assert_eq!(without.code, Some(2), "{without:?}");
    assert!(
        without.stderr.contains("--topic is required"),
        "{without:?}"
    );
    assert!(!without.stderr.contains("sig="), "{without:?}");

    let topic = ["--topic", "telemetry"];
    let told = replay(&host, &container, &topic).unwrap();
    assert_eq!(told.code, Some(1), "{told:?}");
    assert_eq!(numbers(&told), [2, 1, 1], "{told:?}");
    assert!(told.stdout.contains(bad), "{told:?}");
    assert!(!told.stderr.contains("sig="), "{told:?}");
    assert_eq!(containers.names(&container).await, [bad]);
    // Somebody puts the first one back, and repairs the other.
    containers.put(&container, blob, &first.to_string()).await;
    let whole = json!([event("r-2", "d", json!("eyJ0IjoyfQ=="))]);
    containers.put(&container, bad, &whole.to_string()).await;
    let told = replay(&host, &container, &topic).unwrap();
    assert_eq!(counts(&told), [3, 1, 0], "{told:?}");
    assert!(containers.names(&container).await.is_empty());

    let host = host.start().await;
    assert_eq!(host.items("/read?device_id=d").await.len(), 2);
    let letters = host.items("/dead-letters").await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    // The letter has the event, and not why Event Grid gave up.
    let letter = letters[0].to_string();
    assert!(
        letter.contains("r-3") && !letter.contains("deadLetterReason"),
        "{letter}"
    );
}
