//! A subscription of a dead-letter topic: over Google's emulator of Pub/Sub, and a stand-in for the exact calls.

#![cfg(test)]

mod common;

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use common::{Answer, StandIn, emulator, fresh_project, send};
use serde_json::{Value as Json, json};
use twin_capabilities::{Failure, Undelivered, UndeliveredQueue as _, testing::Skipped};
use twin_gcp::{Endpoints, GcpError, Identity, UndeliveredMessages};

const HOLD: Duration = Duration::from_secs(55);

fn open(pubsub: &str, subscription: &str) -> UndeliveredMessages {
    let endpoints = Endpoints {
        firestore: pubsub.to_owned(),
        pubsub: pubsub.to_owned(),
        secret_manager: pubsub.to_owned(),
    };
    let opened =
        UndeliveredMessages::open(Identity::Anonymous, &endpoints, subscription.to_owned());
    opened.unwrap()
}

fn received(n: u32) -> Json {
    json!({"ackId": format!("ack-{n}"), "message": {
        "data": "e30=", "attributes": {"deviceId": "d"}, "messageId": n.to_string(),
        "publishTime": "2026-01-01T00:00:00.000001Z", "orderingKey": "k",
    }})
}

#[tokio::test]
async fn messages_are_held_until_they_are_acknowledged_or_released() {
    let server = StandIn::answering(|asked| match asked.line.rsplit_once(':') {
        Some((_, "pull")) => {
            Answer::of(200, json!({"receivedMessages": [received(1), received(2)]}))
        }
        _ => Answer::of(200, "{}"),
    })
    .await;
    let name = "projects/my-project/subscriptions/undelivered";
    let queue = open(&format!("http://{}", server.address), name);
    let taken = queue.take(10, HOLD).await.unwrap();
    let message = |n: u32| Undelivered {
        id: n.to_string(),
        body: received(n)["message"].to_string().into(),
        attributes: [].into(),
        since: Some(1_767_225_600_000_001),
        receipt: format!("ack-{n}"),
    };
    assert_eq!(taken, [message(1), message(2)]);
    queue.remove(&taken[0]).await.unwrap();
    queue.release(&taken[1..]).await.unwrap();
    queue.take(1, Duration::from_secs(1_000)).await.unwrap();
    let asked = server.asked().into_iter();
    let asked: Vec<_> = asked.map(|asked| (asked.line, asked.body)).collect();
    let call = |method: &str, body| (format!("POST /v1/{name}:{method}"), body);
    let both = json!(["ack-1", "ack-2"]);
    let expected = [
        call(
            "pull",
            json!({"maxMessages": 10, "returnImmediately": true}),
        ),
        call(
            "modifyAckDeadline",
            json!({"ackIds": both, "ackDeadlineSeconds": 55}),
        ),
        call("acknowledge", json!({"ackIds": ["ack-1"]})),
        call(
            "modifyAckDeadline",
            json!({"ackIds": ["ack-2"], "ackDeadlineSeconds": 0}),
        ),
        call("pull", json!({"maxMessages": 1, "returnImmediately": true})),
        // The longest that there is.
        call(
            "modifyAckDeadline",
            json!({"ackIds": both, "ackDeadlineSeconds": 600}),
        ),
    ];
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn an_empty_answer_is_asked_for_again_before_it_is_the_end() {
    let server = StandIn::answering(|_| Answer::of(200, "{}")).await;
    let queue = open(
        &format!("http://{}", server.address),
        "projects/p/subscriptions/undelivered",
    );
    assert_eq!(queue.take(10, HOLD).await, Ok(Vec::new()));
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn a_failure_names_the_permission() {
    let server = StandIn::answering(|_| Answer::error(403, "PERMISSION_DENIED")).await;
    let queue = open(
        &format!("http://{}", server.address),
        "projects/p/subscriptions/undelivered",
    );
    let Err(Failure::Misconfigured(cause)) = queue.take(10, HOLD).await else {
        panic!("another outcome");
    };
    assert!(cause.contains("pubsub.subscriptions.consume"), "{cause}");
    for name in ["projects/p/topics/t", "projects/p/subscriptions/a b", "s"] {
        let refused =
            UndeliveredMessages::open(Identity::Anonymous, &Endpoints::default(), name.to_owned());
        let invalid = matches!(refused, Err(GcpError::SettingInvalid { .. }));
        assert!(invalid, "{name}");
    }
}

/// All that is in a subscription, which may take a moment to arrive.
async fn all(queue: &UndeliveredMessages, count: usize) -> Vec<Undelivered> {
    let mut all = Vec::new();
    for _ in 0..40 {
        all.extend(queue.take(10, HOLD).await.unwrap());
        if all.len() >= count {
            break;
        }
    }
    all
}

#[tokio::test]
async fn a_subscription_of_the_emulator_gives_back_what_is_released() {
    let pubsub = match emulator("TWIN_TEST_PUBSUB") {
        Ok(pubsub) => pubsub,
        Err(Skipped(reason)) => return println!("skipped: {reason}"),
    };
    let project = format!("projects/{}", fresh_project());
    let topic = format!("{project}/topics/undelivered");
    let subscription = format!("{project}/subscriptions/undelivered");
    send("PUT", format!("{pubsub}/v1/{topic}"), json!({})).await;
    send(
        "PUT",
        format!("{pubsub}/v1/{subscription}"),
        json!({"topic": topic, "ackDeadlineSeconds": 10}),
    )
    .await;
    let message = |n: u32| json!({"data": STANDARD.encode(n.to_string()), "attributes": {"n": n.to_string()}});
    let messages: Vec<_> = (0..3).map(message).collect();
    let url = format!("{pubsub}/v1/{topic}:publish");
    send("POST", url, json!({"messages": messages})).await;

    let queue = open(&pubsub, &subscription);
    let taken = all(&queue, 3).await;
    assert_eq!(taken.len(), 3);
    let pushed: Json = serde_json::from_slice(&taken[0].body).unwrap();
    assert_eq!(pushed["messageId"], taken[0].id.as_str());
    assert!(pushed["attributes"]["n"].is_string(), "{pushed}");
    assert!(taken[0].since.is_some());
    assert_eq!(queue.take(10, HOLD).await, Ok(Vec::new()), "they are held");

    queue.remove(&taken[0]).await.unwrap();
    queue.release(&taken[1..]).await.unwrap();
    let again = all(&queue, 2).await;
    let ids = |messages: &[Undelivered]| {
        let mut ids: Vec<_> = messages.iter().map(|message| message.id.clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&again), ids(&taken[1..]));
}
