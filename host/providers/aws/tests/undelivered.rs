//! A dead-letter queue of Lambda, on an emulator: a queue into which the tests put what Lambda would.

#![cfg(test)]

#[allow(dead_code, reason = "shared by several tests")]
mod emulator;
#[allow(dead_code, reason = "shared by several tests")]
mod place;

use std::time::Duration;

use aws_sdk_sqs::types::MessageAttributeValue;
use emulator::{Emulator, credentials};
use place::Place;
use twin_aws::{AwsSettings, OPERATOR_ACTIONS, UndeliveredMessages};
use twin_capabilities::{Failure, Undelivered, UndeliveredQueue as _};

const HOLD: Duration = Duration::from_secs(60);

/// A new queue, and its URL.
async fn queue(emulator: &Emulator) -> (aws_sdk_sqs::Client, String, UndeliveredMessages) {
    let sqs = aws_sdk_sqs::Client::new(&emulator.config());
    let settings = emulator.settings();
    let name = settings.prefix.clone().unwrap();
    let url = sqs.create_queue().queue_name(name).send().await.unwrap();
    let url = url.queue_url.unwrap();
    let opened = UndeliveredMessages::open(settings, url.clone());
    (sqs, url, opened)
}

async fn send(sqs: &aws_sdk_sqs::Client, url: &str, body: &str) {
    let value = MessageAttributeValue::builder()
        .data_type("String")
        .string_value("e4b46cbf")
        .build()
        .unwrap();
    let send = sqs.send_message().queue_url(url).message_body(body);
    let send = send.message_attributes("RequestID", value);
    send.send().await.unwrap();
}

/// Takes all that is visible.
async fn all(queue: &UndeliveredMessages) -> Vec<Undelivered> {
    let mut all = Vec::new();
    loop {
        let some = queue.take(3, HOLD).await.unwrap();
        assert!(some.len() <= 3);
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

#[tokio::test]
async fn what_is_taken_is_hidden_until_it_is_released_or_removed() {
    let test = "what_is_taken_is_hidden_until_it_is_released_or_removed";
    let emulator = match Emulator::find() {
        Ok(emulator) => emulator,
        Err(reason) => return println!("skipped: {test}: {reason}"),
    };
    let (sqs, url, queue) = queue(&emulator).await;
    // More than one call changes.
    for n in 0..12 {
        send(&sqs, &url, &format!("{{\"n\":{n}}}")).await;
    }
    let taken = all(&queue).await;
    assert_eq!(taken.len(), 12);
    for message in &taken {
        assert!(message.body.starts_with(b"{\"n\":"));
        assert_eq!(message.attributes["RequestID"], "e4b46cbf");
        assert!(
            message
                .since
                .is_some_and(|since| since > 1_700_000_000_000_000)
        );
    }
    assert_eq!(all(&queue).await, [], "they are hidden");

    queue.release(&taken).await.unwrap();
    let again = all(&queue).await;
    let ids = |messages: &[Undelivered]| {
        let mut ids: Vec<_> = messages.iter().map(|message| message.id.clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&again), ids(&taken));
    let (first, others) = again.split_first().unwrap();
    queue.remove(first).await.unwrap();
    // One that is gone or visible already changes nothing.
    queue.release(&again).await.unwrap();
    queue.release(others).await.unwrap();
    assert_eq!(ids(&all(&queue).await), ids(others));
}

#[tokio::test]
async fn a_queue_that_is_not_there_or_not_permitted_is_named() {
    let test = "a_queue_that_is_not_there_or_not_permitted_is_named";
    let emulator = match Emulator::find() {
        Ok(emulator) => emulator,
        Err(reason) => return println!("skipped: {test}: {reason}"),
    };
    let fails = async |settings: AwsSettings, url: &str| {
        let queue = UndeliveredMessages::open(settings, url.to_owned());
        match queue.take(1, HOLD).await {
            Err(Failure::Misconfigured(cause)) => cause,
            other => panic!("{other:?}"),
        }
    };
    let url = format!("{}/000000000000/nowhere", emulator.endpoint);
    let missing = fails(emulator.settings(), &url).await;
    assert!(missing.contains("sqs:ReceiveMessage") && missing.ends_with("(missing)"));
    let (_, url, _) = queue(&emulator).await;
    let mut settings = emulator.settings();
    settings.credentials = Some(credentials("AKIAUNKNOWNUNKNOWN00", "a secret"));
    let denied = fails(settings, &url).await;
    assert!(denied.ends_with("(denied)"), "{denied}");
}

#[tokio::test]
async fn an_operator_needs_the_listed_actions_and_no_others() {
    let test = "an_operator_needs_the_listed_actions_and_no_others";
    let emulator = match Emulator::find() {
        Ok(emulator) => emulator,
        Err(reason) => return println!("skipped: {test}: {reason}"),
    };
    let place = Place::make(&emulator).await;
    let name = format!("{}-dead-letters", place.settings.prefix.as_deref().unwrap());
    let found = place.sqs.get_queue_url().queue_name(name).send().await;
    let url = found.unwrap().queue_url.unwrap();
    // The owner takes away the copy of the letter that the place began with, if there is one.
    let owner = UndeliveredMessages::open(place.settings.clone(), url.clone());
    for message in all(&owner).await {
        owner.remove(&message).await.unwrap();
    }
    for missing in [None].into_iter().chain(OPERATOR_ACTIONS.map(Some)) {
        send(&place.sqs, &url, "{}").await;
        let others = OPERATOR_ACTIONS.into_iter();
        let others: Vec<_> = others.filter(|action| Some(*action) != missing).collect();
        let mut settings = place.settings.clone();
        settings.credentials = Some(place.user(&others).await);
        let queue = UndeliveredMessages::open(settings, url.clone());
        let taken = queue.take(1, HOLD).await;
        let message = match &taken {
            Ok(taken) => taken.first().cloned(),
            // For the calls that are permitted.
            Err(_) => owner.take(1, HOLD).await.unwrap().pop(),
        };
        let message = message.unwrap();
        let released = queue.release(std::slice::from_ref(&message)).await;
        let removed = queue.remove(&message).await;
        let results = [
            ("sqs:ReceiveMessage", taken.map(drop)),
            ("sqs:ChangeMessageVisibility", released),
            ("sqs:DeleteMessage", removed),
        ];
        for (action, result) in results {
            match result {
                Ok(()) => assert_ne!(Some(action), missing),
                Err(failure) => {
                    assert_eq!(Some(action), missing, "{failure}");
                    assert!(failure.to_string().contains(action), "{failure}");
                }
            }
        }
        if missing == Some("sqs:DeleteMessage") {
            owner.remove(&message).await.unwrap();
        }
    }
}
