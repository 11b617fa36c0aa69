//! What Pub/Sub forwards to a dead-letter topic.

use serde_json::{Value, json};
use twin_contract::Cloud::Gcp;

use super::{counts, queues::Subscriptions, replay, system_error, whole_twin};

#[tokio::test]
async fn what_pubsub_could_not_push_is_delivered_from_its_subscription_once() {
    let subscriptions = or_skip!(Subscriptions::find());
    let name = subscriptions.create().await;
    let host = subscriptions.host(whole_twin(Gcp));
    let given_up = |attributes: Value| {
        let mut attributes = attributes;
        attributes["CloudPubSubDeadLetterSourceDeliveryCount"] = json!("5");
        attributes["CloudPubSubDeadLetterSourceSubscription"] = json!("twin-errors");
        attributes["CloudPubSubDeadLetterSourceSubscriptionProject"] = json!("p");
        attributes
    };
    let error = system_error().to_string();
    for _ in 0..2 {
        // Dead-lettering is at least once, too.
        let attributes = given_up(json!({"id": "e-1"}));
        subscriptions.publish(&name, &error, &attributes).await;
    }
    let bad = given_up(json!({"id": "e-2"}));
    subscriptions
        .publish(&name, r#"{"error_code":"X"}"#, &bad)
        .await;

    let topic = ["--topic", "errors"];
    let listed = or_built!(replay(
        &host,
        &name,
        &["--topic", "errors", "--dry-run", "--json"]
    ));
    assert_eq!(listed.code, Some(0), "{listed:?}");
    assert_eq!(listed.stdout.lines().count(), 3, "{listed:?}");
    let told = replay(&host, &name, &topic).unwrap();
    assert_eq!(counts(&told), [2, 1, 0], "{told:?}");
    let told = replay(&host, &name, &topic).unwrap();
    assert_eq!(counts(&told), [0, 0, 0], "{told:?}");

    let host = host.start().await;
    assert_eq!(host.texts("/errors", "id").await, ["e-1"]);
    let letters = host.items("/dead-letters").await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    let letter = letters[0].to_string();
    assert!(
        letter.contains("e-2") && !letter.contains("DeadLetterSource"),
        "{letter}"
    );
}
