//! What Pub/Sub could not push: a subscription of a dead-letter topic.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{json, value::RawValue};
use twin_capabilities::{Failure, Instant, Undelivered, UndeliveredQueue};
use twin_contract::Timestamp;
use twin_documents::{ServiceClock, ServiceError};

use crate::{
    Endpoints, GcpError, Identity, names,
    service::{Call, Link, Service},
};

const CONSUME: Call = Call {
    action: "pubsub.subscriptions.consume",
    limit: Duration::from_secs(10),
};

/// The longest that Pub/Sub holds a message.
const LONGEST_HOLD: Duration = Duration::from_secs(600);
/// How often an empty answer is asked for again: Pub/Sub answers so, too, when it has not found the messages yet.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

/// A subscription with what was not delivered. A message that was taken is held until its time is over or it is released.
pub struct UndeliveredMessages {
    service: Service,
    /// `projects/{project}/subscriptions/{subscription}`
    subscription: String,
}

impl fmt::Debug for UndeliveredMessages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("UndeliveredMessages")
            .field(&self.subscription)
            .finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Pulled {
    #[serde(default)]
    received_messages: Vec<Received>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Received {
    ack_id: String,
    message: Box<RawValue>,
}

/// The fields of a message that a queue needs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    message_id: String,
    publish_time: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Receipts<'a> {
    ack_ids: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ack_deadline_seconds: Option<u64>,
}

impl UndeliveredMessages {
    /// The subscription of this name (`projects/{project}/subscriptions/{subscription}`), which must be one for pulling. Nothing is
    /// sent yet. A Tokio runtime must be there.
    ///
    /// # Errors
    /// If it is not such a name, or there are no credentials.
    pub fn open(
        identity: Identity,
        endpoints: &Endpoints,
        subscription: String,
    ) -> Result<Self, GcpError> {
        names::check_subscription(&subscription)?;
        let link = Link::open(identity, endpoints, ServiceClock::default())?;
        let service = Service::at("Pub/Sub", "endpoints.pubsub", &endpoints.pubsub, &link)?;
        Ok(Self {
            service,
            subscription,
        })
    }

    async fn pull(&self, limit: u32) -> Result<Vec<Received>, ServiceError> {
        // Without this, the call waits for a message that may never come.
        let wanted = json!({"maxMessages": limit, "returnImmediately": true});
        let path = format!("{}:pull", self.subscription);
        let pulled: Pulled = self.service.post(CONSUME, &path, &wanted).await?;
        Ok(pulled.received_messages)
    }

    /// Sets for how long messages are held.
    async fn hold(&self, ack_ids: Vec<&str>, hold: Duration) -> Result<(), ServiceError> {
        self.settle("modifyAckDeadline", ack_ids, Some(hold)).await
    }

    async fn settle(
        &self,
        method: &str,
        ack_ids: Vec<&str>,
        hold: Option<Duration>,
    ) -> Result<(), ServiceError> {
        let receipts = Receipts {
            ack_ids,
            ack_deadline_seconds: hold.map(|hold| hold.min(LONGEST_HOLD).as_secs()),
        };
        let path = format!("{}:{method}", self.subscription);
        let answer = self.service.post(CONSUME, &path, &receipts).await;
        answer.map(|IgnoredAny| ())
    }
}

#[async_trait]
impl UndeliveredQueue for UndeliveredMessages {
    /// The body of what is taken is Pub/Sub's own JSON of the message: data, attributes, id, time, ordering key.
    async fn take(&self, limit: u32, hold: Duration) -> Result<Vec<Undelivered>, Failure> {
        let mut pulled = self.pull(limit).await?;
        for _ in 1..TRIES {
            if !pulled.is_empty() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            pulled = self.pull(limit).await?;
        }
        if pulled.is_empty() {
            return Ok(Vec::new());
        }
        let ack_ids = pulled.iter().map(|received| received.ack_id.as_str());
        self.hold(ack_ids.collect(), hold).await?;
        let read = pulled.into_iter().map(of_received);
        let read = read.collect::<Result<_, _>>();
        Ok(read.map_err(|_| self.service.unreadable(CONSUME))?)
    }

    async fn remove(&self, message: &Undelivered) -> Result<(), Failure> {
        let receipt = vec![message.receipt.as_str()];
        Ok(self.settle("acknowledge", receipt, None).await?)
    }

    async fn release(&self, messages: &[Undelivered]) -> Result<(), Failure> {
        /// The most receipts in a call: it has at most 512 KiB.
        const AT_ONCE: usize = 100;
        for some in messages.chunks(AT_ONCE) {
            let receipts = some.iter().map(|message| message.receipt.as_str());
            self.hold(receipts.collect(), Duration::ZERO).await?;
        }
        Ok(())
    }
}

fn of_received(Received { ack_id, message }: Received) -> serde_json::Result<Undelivered> {
    let Message {
        message_id,
        publish_time,
    } = serde_json::from_str(message.get())?;
    Ok(Undelivered {
        id: message_id,
        body: message.get().as_bytes().to_vec(),
        attributes: [].into(),
        since: publish_time.as_deref().and_then(micros),
        receipt: ack_id,
    })
}

fn micros(time: &str) -> Option<Instant> {
    Some(Timestamp::parse_utc(time)?.as_micros())
}
