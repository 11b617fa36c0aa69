//! From an event to its settlement: the function's answer decides.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use twin_capabilities::{
    Stores,
    credentials::{Caller, Role},
    function::Verdict,
    provider::system_clock,
};
use twin_contract::{JsonObject, Peer, registry::component};

use super::{
    Event, Settle, Settlement, Topic,
    delivery::Delivery,
    refused::{Reason, Refused, Window},
};
use crate::{
    config::Config,
    dispatch::Dispatch,
    function::{self, FunctionName, Response},
};

/// Hands events to the functions of a host.
pub struct Events {
    dispatch: Arc<Dispatch>,
    refused: Refused,
}

impl fmt::Debug for Events {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    /// For a host with this configuration. What is refused goes to the letters of `stores`, which answer in time.
    #[must_use]
    pub fn new(config: &Config, dispatch: Arc<Dispatch>, stores: &Stores) -> Self {
        let sends_to_l2 = config
            .binding(FunctionName::Connector, Peer::Ingestion)
            .is_some();
        let peer = if sends_to_l2 {
            Peer::Ingestion
        } else {
            Peer::Writer
        };
        Self {
            dispatch,
            refused: Refused {
                letters: Arc::clone(&stores.dead_letters),
                topic: Arc::clone(&stores.error_topic),
                twin: config.twin.clone(),
                cloud: config.cloud,
                component: component::connector_of(peer.as_str()),
                clock: || system_clock()(),
                window: Mutex::new(Window::default()),
            },
        }
    }

    /// Keeps an event that no repetition would make acceptable.
    async fn keep(&self, function: FunctionName, event: Event, reason: Reason) -> Settlement {
        match self.refused.keep(function, event, reason).await {
            Ok(()) => Settlement::Kept,
            Err(failure) => {
                Settlement::Again(format!("a refused event could not be kept: {failure}"))
            }
        }
    }
}

#[async_trait]
impl Settle for Events {
    async fn settle(&self, event: Event, limit: Option<Duration>) -> Settlement {
        let delivery = match Delivery::of(&event) {
            Ok(delivery) => delivery,
            Err(unusable) => {
                let reason = Reason {
                    status: None,
                    cause: unusable.to_string(),
                };
                let function = Topic::of(&event.subject).function();
                return self.keep(function, event, reason).await;
            }
        };
        let function = delivery.function;
        if !self.dispatch.mounts(function) {
            return Settlement::Again(format!(
                "{function} is not mounted here: add it to TWIN_FUNCTIONS, or deliver the events elsewhere"
            ));
        }
        let response = self.dispatch.deliver(function, request(delivery), limit);
        let response = response.await;
        match response.status {
            200 => Settlement::Acknowledged,
            // By this connector or one behind it (spec §3, "Response Contract").
            202 => Settlement::Kept,
            // The same statuses that a sender repeats (spec §3, "Response Contract").
            408 | 425 | 429 | 500.. => {
                Settlement::Again(format!("{function} answered {}", said(&response)))
            }
            status => {
                let reason = Reason {
                    status: Some(status),
                    cause: said(&response),
                };
                self.keep(function, event, reason).await
            }
        }
    }
}

/// The call: the host vouches for what its platform delivered, so no key is involved.
fn request(delivery: Delivery) -> function::Request {
    let mut headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("content-length".to_owned(), delivery.body.len().to_string()),
    ];
    let id = delivery.id.map(|id| ("idempotency-key".to_owned(), id));
    headers.extend(id);
    function::Request {
        method: "POST".to_owned(),
        path: delivery.path.to_owned(),
        query: String::new(),
        headers,
        body: delivery.body,
        time_left_ms: None,
        verdict: Verdict::Verified(Caller {
            name: "platform".to_owned(),
            role: Role::Hop,
        }),
    }
}

/// A refusal in words for a log: `HTTP 400 FIELD_MISSING: the field …`.
fn said(response: &Response) -> String {
    let status = response.status;
    let object = JsonObject::parse(&response.body);
    let text = |name| object.as_ref()?.text(name);
    match (text("error_code"), text("message")) {
        (Some(code), Some(message)) => format!("HTTP {status} {code}: {message}"),
        _ => format!("HTTP {status}"),
    }
}
