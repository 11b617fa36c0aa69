//! What a cloud's platform does with the events of an error topic: it hands each to the error reporter, again and again until
//! that has taken it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use reqwest::Method;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::{Event, Services};
use crate::hosts::site::Site;

const PAUSE: Duration = Duration::from_millis(100);

/// Deliveries to one error reporter, until it is dropped.
pub(super) struct Delivery {
    codes: Arc<Mutex<BTreeSet<String>>>,
    task: JoinHandle<()>,
}

impl Delivery {
    pub(super) fn start(services: Arc<dyn Services>, reporter: Site) -> Self {
        let codes = Arc::new(Mutex::default());
        let seen = Arc::clone(&codes);
        let task = tokio::spawn(async move {
            loop {
                for event in services.receive().await {
                    note(&seen, &event);
                    while !taken(&reporter, &event).await {
                        tokio::time::sleep(PAUSE).await;
                    }
                    services.confirm(&event).await;
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { codes, task }
    }

    /// Whether the topic has had an event with this code, taken by the reporter or not.
    pub(super) fn has_seen(&self, code: &str) -> bool {
        // A task that panics delivers nothing more.
        assert!(
            !self.task.is_finished(),
            "the delivery of events has failed"
        );
        self.codes.lock().unwrap().contains(code)
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn note(codes: &Mutex<BTreeSet<String>>, event: &Event) {
    let error: Value = serde_json::from_str(&event.error).unwrap();
    let code = error["error_code"].as_str().unwrap();
    codes.lock().unwrap().insert(code.to_owned());
}

/// Posts an event; a reporter that is down, or whose store is, gets it again.
async fn taken(reporter: &Site, event: &Event) -> bool {
    let (name, key) = reporter.credential();
    let headers = [(name, key.as_str()), ("idempotency-key", &event.id)];
    let reply = reporter
        .send(Method::POST, "/errors", &headers, &event.error)
        .await;
    match reply {
        None => false,
        Some(reply) if reply.status == 503 || reply.status == 504 => false,
        Some(reply) => {
            reply.assert_status(200);
            true
        }
    }
}
