//! Pub/Sub: publishing one message.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Serialize, de::IgnoredAny};
use twin_documents::ServiceError;

use crate::service::{Call, Service};

/// A topic.
#[derive(Clone, Debug)]
pub(crate) struct Topic {
    service: Service,
    /// `projects/{project}/topics/{topic}`
    name: String,
}

/// A message. Subscriptions can be filtered by its attributes.
#[derive(Debug)]
pub(crate) struct Message<const ATTRIBUTES: usize> {
    pub(crate) data: Vec<u8>,
    /// Names and values. A value has at most 1 KiB.
    pub(crate) attributes: [(&'static str, String); ATTRIBUTES],
}

#[derive(Serialize)]
struct Publish {
    messages: [WireMessage; 1],
}

#[derive(Serialize)]
struct WireMessage {
    data: String,
    attributes: std::collections::BTreeMap<&'static str, String>,
}

impl Topic {
    pub(crate) fn new(service: Service, name: String) -> Self {
        Self { service, name }
    }

    /// Publishes a message. It is durable when this returns.
    ///
    /// # Errors
    /// Pub/Sub's failure. The message may have been published.
    pub(crate) async fn publish<const ATTRIBUTES: usize>(
        &self,
        message: Message<ATTRIBUTES>,
        limit: Duration,
    ) -> Result<(), ServiceError> {
        let call = Call {
            action: "pubsub.topics.publish",
            limit,
        };
        let message = WireMessage {
            data: STANDARD.encode(message.data),
            attributes: message.attributes.into(),
        };
        let publish = Publish {
            messages: [message],
        };
        let path = format!("{}:publish", self.name);
        let answer = self.service.post(call, &path, &publish).await;
        answer.map(|IgnoredAny| ())
    }
}
