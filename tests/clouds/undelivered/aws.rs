//! What Lambda, EventBridge and SQS put into a queue of SQS.

use std::net::TcpListener;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use twin_contract::Cloud::Aws;
use twin_tests::hosts::house::Host;

use super::{counts, numbers, queues::Queues, replay, system_error, whole_twin};

fn iot(device: &str, id: &str, message: &str) -> Value {
    json!({"body": STANDARD.encode(message), "device": device, "id": id, "twin": "telemetry"})
}

const ENVELOPE: &str = r#"{"source_cloud":"aws","target_layer":"L2","message_type":"event","timestamp":"2026-01-01T00:00:00Z","payload":{"device_id":"q"}}"#;

#[tokio::test]
async fn what_lambda_could_not_deliver_is_delivered_from_its_queue_once() {
    let queues = or_skip!(Queues::find());
    let queue = queues.create().await;
    let host = queues.host(whole_twin(Aws));
    // From the function's dead-letter queue, its on-failure destination, a rule of EventBridge, and a queue that it reads.
    let reading = iot("d", "u-1", r#"{"t":25.40}"#).to_string();
    let record = json!({
        "version": "1.0",
        "requestContext": {"functionArn": "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST", "condition": "RetriesExhausted"},
        "requestPayload": iot("d", "u-2", r#"{"t":1}"#),
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
    });
    let mut detail = system_error();
    detail["id"] = json!("e-1");
    let event = json!({
        "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": "Error",
        "source": "twin2multicloud.connector", "detail": detail,
    });
    let copy = json!({"letter_id": "l", "id": "i-1", "peer": "ingestion", "stored_at": 1, "envelope": ENVELOPE});
    queues
        .send(&queue, &reading, &["RequestID", "ErrorCode"])
        .await;
    for body in [record, event, copy] {
        queues.send(&queue, &body.to_string(), &[]).await;
    }

    let listed = or_built!(replay(&host, &queue, &["--dry-run"]));
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert!(
        listed.stdout.contains("4 events would be handed over"),
        "{listed:?}"
    );
    assert!(listed.stdout.contains("telemetry  event u-1"), "{listed:?}");
    assert_eq!(queues.count(&queue).await, 4);

    let told = replay(&host, &queue, &[]).unwrap();
    assert_eq!(counts(&told), [4, 0, 0], "{told:?}");
    assert_eq!(queues.count(&queue).await, 0);
    // The platform delivers at least once, so the same event may be in the queue again.
    queues.send(&queue, &reading, &["RequestID"]).await;
    let told = replay(&host, &queue, &["--json"]).unwrap();
    assert_eq!(told.code, Some(0), "{told:?}");
    let report: Value = serde_json::from_str(&told.stdout).unwrap();
    let expected = json!({"handed_over": 1, "kept": 0, "stay": 0, "failures": []});
    assert_eq!(report, expected);
    let told = replay(&host, &queue, &[]).unwrap();
    assert_eq!(counts(&told), [0, 0, 0], "{told:?}");

    let host = host.start().await;
    let mut ids = host.texts("/read?device_id=d", "id").await;
    ids.sort();
    assert_eq!(ids, ["u-1", "u-2"]);
    assert_eq!(host.texts("/read?device_id=q", "id").await, ["i-1"]);
    assert_eq!(host.texts("/errors", "id").await, ["e-1"]);
    let items = host.get("/read?device_id=d").await;
    assert!(items.text.contains(r#""t":25.40"#), "{items:?}");
}

#[tokio::test]
async fn what_is_refused_or_cannot_be_passed_on_is_kept_and_removed() {
    let queues = or_skip!(Queues::find());
    let queue = queues.create().await;
    // Nothing listens at this address.
    let away = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/ingest", listener.local_addr().unwrap())
    };
    let host = Host::of(Aws, "connector,error-reporter")
        .set("TWIN_STORE", "local")
        .set("REMOTE_INGESTION_URL", &away)
        .set("FUNCTION_DEADLINE_MS", "3000");
    let host = queues.host(host);
    // A device that names another one.
    let forged = iot("d", "u-1", r#"{"device_id":"q"}"#).to_string();
    queues.send(&queue, &forged, &["RequestID"]).await;
    let reading = iot("d", "u-2", r#"{"t":1}"#).to_string();
    queues.send(&queue, &reading, &["RequestID"]).await;
    let told = or_built!(replay(&host, &queue, &[]));
    assert_eq!(counts(&told), [0, 2, 0], "{told:?}");
    assert_eq!(queues.count(&queue).await, 0);
    let host = host.start().await;
    let letters = host.items("/dead-letters").await;
    let mut peers: Vec<_> = letters
        .iter()
        .map(|letter| letter["peer"].as_str().unwrap())
        .collect();
    peers.sort_unstable();
    assert_eq!(peers, ["event", "ingestion"]);
    // As the platform delivered it.
    let refused = letters
        .iter()
        .find(|letter| letter["peer"] == "event")
        .unwrap();
    let letter_id = refused["letter_id"].as_str().unwrap();
    let whole = host.get(&format!("/dead-letters/{letter_id}")).await;
    assert!(whole.text.contains("u-1"), "{whole:?}");
}

#[tokio::test]
async fn what_nobody_takes_stays_and_is_visible_again() {
    let queues = or_skip!(Queues::find());
    let queue = queues.create().await;
    // A reading for a twin whose connector is elsewhere, and something that is no event.
    let host = queues.host(Host::of(Aws, "writer,error-reporter").set("TWIN_STORE", "local"));
    let reading = iot("d", "u-1", "{}").to_string();
    queues.send(&queue, &reading, &["RequestID"]).await;
    queues
        .send(&queue, r#"{"secret":"value"}"#, &["RequestID"])
        .await;
    let mut event = system_error();
    event["id"] = json!("e-1");
    let event =
        json!({"detail-type": "Error", "source": "twin2multicloud.x", "id": "i", "detail": event});
    queues.send(&queue, &event.to_string(), &[]).await;
    let told = or_built!(replay(&host, &queue, &[]));
    assert_eq!(told.code, Some(1), "{told:?}");
    assert_eq!(numbers(&told), [1, 0, 2], "{told:?}");
    assert!(
        told.stdout
            .contains("event u-1  connector is not mounted here"),
        "{told:?}"
    );
    assert!(told.stderr.contains("2 messages stay in"), "{told:?}");
    assert!(!told.stdout.contains("value"), "{told:?}");
    assert_eq!(queues.count(&queue).await, 2, "they are visible again");

    // A store that is not there can keep nothing.
    let lost = queues
        .host(whole_twin(Aws))
        .set("TWIN_STORE", "aws")
        .set("TWIN_NAME", "nowhere");
    let lost = lost.set("FUNCTION_DEADLINE_MS", "3000");
    let told = replay(&lost, &queue, &["--json"]).unwrap();
    assert_eq!(told.code, Some(1), "{told:?}");
    let report: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(
        (&report["stay"], &report["kept"]),
        (&json!(2), &json!(0)),
        "{report}"
    );
    assert_eq!(queues.count(&queue).await, 2);

    // With the connector, the reading is delivered after all.
    let told = replay(&queues.host(whole_twin(Aws)), &queue, &[]).unwrap();
    assert_eq!(told.code, Some(1), "{told:?}");
    assert_eq!(numbers(&told), [1, 0, 1], "{told:?}");
    assert_eq!(queues.count(&queue).await, 1);
}
