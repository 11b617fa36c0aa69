//! A dead-letter queue of Lambda or of a subscription, which is a queue of SQS.

use std::{collections::BTreeMap, fmt, time::Duration};

use async_trait::async_trait;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use futures_util::future::try_join_all;
use twin_capabilities::{Failure, Undelivered, UndeliveredQueue};
use twin_documents::{Kind, ServiceClock, ServiceError};

use crate::{AwsSettings, connection::Connection, error::Action};

/// The most messages that one call of SQS returns, and the most calls at once.
const AT_ONCE: u8 = 10;
/// The longest that SQS hides a message.
const LONGEST_HOLD: Duration = Duration::from_secs(12 * 3600);
/// How long SQS looks for messages, in seconds. A call that does not wait asks some of its servers only, and may miss messages.
const LOOKING: i32 = 1;
/// Everything that the sender said of a message.
const ALL: &str = "All";

/// A queue of SQS with what was not delivered.
///
/// A message that was taken is hidden until its time is over or it is released. A queue of the kind FIFO gives no other message of a
/// group meanwhile.
pub struct UndeliveredMessages {
    connection: Connection,
    url: String,
}

impl fmt::Debug for UndeliveredMessages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("UndeliveredMessages")
            .field(&self.url)
            .finish()
    }
}

impl UndeliveredMessages {
    /// The queue of this URL, in the region of the settings. Nothing is asked of it yet.
    #[must_use]
    pub fn open(settings: AwsSettings, url: String) -> Self {
        Self {
            connection: Connection::new(settings, ServiceClock::default()),
            url,
        }
    }

    /// Shows a message again, if it is still hidden and there.
    async fn show(&self, message: &Undelivered) -> Result<(), ServiceError> {
        let shown = self.connection.call(Action::HIDE_MESSAGE, |aws| {
            let change = aws.sqs.change_message_visibility().queue_url(&self.url);
            let change = change.receipt_handle(&message.receipt);
            change.visibility_timeout(0).send()
        });
        match shown.await {
            Err(error) if error.kind != Kind::Conflict => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

#[async_trait]
impl UndeliveredQueue for UndeliveredMessages {
    async fn take(&self, limit: u32, hold: Duration) -> Result<Vec<Undelivered>, Failure> {
        let seconds = hold.min(LONGEST_HOLD).as_secs();
        let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
        let limit = u8::try_from(limit).map_or(AT_ONCE, |limit| limit.min(AT_ONCE));
        let taken = self.connection.call(Action::RECEIVE_MESSAGE, |aws| {
            let receive = aws.sqs.receive_message().queue_url(&self.url);
            receive
                .max_number_of_messages(limit.into())
                .visibility_timeout(seconds)
                .wait_time_seconds(LOOKING)
                .message_attribute_names(ALL)
                .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
                .send()
        });
        let messages = taken.await?.messages.unwrap_or_default();
        let read = messages.into_iter().map(of_message);
        read.collect::<Option<_>>().ok_or_else(|| {
            let code = "a message without id, text or receipt";
            Action::RECEIVE_MESSAGE
                .failed(code, Kind::Unavailable)
                .into()
        })
    }

    async fn remove(&self, message: &Undelivered) -> Result<(), Failure> {
        let removed = self.connection.call(Action::DELETE_MESSAGE, |aws| {
            let delete = aws.sqs.delete_message().queue_url(&self.url);
            delete.receipt_handle(&message.receipt).send()
        });
        removed.await.map(drop)?;
        Ok(())
    }

    async fn release(&self, messages: &[Undelivered]) -> Result<(), Failure> {
        for some in messages.chunks(AT_ONCE.into()) {
            try_join_all(some.iter().map(|message| self.show(message))).await?;
        }
        Ok(())
    }
}

/// `None` if SQS left out what every message has.
fn of_message(message: Message) -> Option<Undelivered> {
    let sent = message.attributes.as_ref().and_then(|attributes| {
        let sent = attributes.get(&MessageSystemAttributeName::SentTimestamp)?;
        sent.parse::<i64>().ok()?.checked_mul(1_000)
    });
    let attributes: BTreeMap<_, _> = message
        .message_attributes
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.string_value?)))
        .collect();
    Some(Undelivered {
        id: message.message_id?,
        body: message.body?.into_bytes(),
        attributes,
        since: sent,
        receipt: message.receipt_handle?,
    })
}
