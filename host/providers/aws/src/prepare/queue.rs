//! The queue of copies of dead letters.

use aws_sdk_sqs::types::QueueAttributeName;
use twin_documents::{Finding, Prepared, ServiceError};

use super::failed;
use crate::{
    connection::Connection,
    copies::{Queue, url_of},
    error::{Action, is_absent},
    settings::{AwsSettings, Names},
};

/// How long the queue keeps a message: as long as SQS can, 14 days.
const RETENTION_SECONDS: &str = "1209600";

/// The queue, if letters are copied.
pub(super) struct TwinQueue(Option<Queue>);

impl TwinQueue {
    pub(super) fn of(settings: &AwsSettings, names: &Names) -> Self {
        Self(Queue::of(&settings.dead_letter_queue, names))
    }

    pub(super) fn plan(&self) -> Option<String> {
        match &self.0 {
            Some(Queue::Named(name)) => {
                Some(format!("queue `{name}`, which keeps messages for 14 days"))
            }
            Some(Queue::Url(_)) | None => None,
        }
    }

    pub(super) async fn init(&self, aws: &Connection) -> Result<Option<Prepared>, ServiceError> {
        match &self.0 {
            None => Ok(None),
            Some(Queue::Url(url)) => {
                look(aws, url).await?;
                Ok(Some(Prepared::new(what(url), false)))
            }
            Some(Queue::Named(name)) => {
                let created = match url_of(aws, name).await {
                    Ok(_) => false,
                    Err(error) if is_absent(&error) => {
                        create(aws, name).await?;
                        true
                    }
                    Err(error) => return Err(error),
                };
                Ok(Some(Prepared::new(what(name), created)))
            }
        }
    }

    pub(super) async fn check(&self, aws: &Connection) -> Option<Finding> {
        let (name, looked) = match &self.0 {
            None => return None,
            Some(Queue::Url(url)) => (url, look(aws, url).await),
            Some(Queue::Named(name)) => (name, url_of(aws, name).await.map(drop)),
        };
        let error = looked.err()?;
        Some(failed(what(name), error))
    }
}

fn what(name: &str) -> String {
    format!("queue `{name}`")
}

async fn look(aws: &Connection, url: &str) -> Result<(), ServiceError> {
    aws.call(Action::GET_QUEUE, |aws| {
        let attributes = aws.sqs.get_queue_attributes();
        attributes
            .queue_url(url)
            .attribute_names(QueueAttributeName::QueueArn)
            .send()
    })
    .await
    .map(drop)
}

async fn create(aws: &Connection, name: &str) -> Result<(), ServiceError> {
    aws.call(Action::CREATE_QUEUE, |aws| {
        let create = aws.sqs.create_queue();
        create
            .queue_name(name)
            .attributes(
                QueueAttributeName::MessageRetentionPeriod,
                RETENTION_SECONDS,
            )
            .send()
    })
    .await
    .map(drop)
}
