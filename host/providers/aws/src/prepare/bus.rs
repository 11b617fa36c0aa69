//! The bus of system errors.

use twin_documents::{Finding, Prepared, ServiceError};

use super::failed;
use crate::{
    connection::Connection,
    error::{Action, is_absent},
    settings::AwsSettings,
};

/// Every account has this one in every region.
const DEFAULT: &str = "default";

/// The bus, by its name or ARN.
pub(super) struct Bus(String);

impl Bus {
    pub(super) fn of(settings: &AwsSettings) -> Self {
        Self(settings.event_bus.clone())
    }

    /// A bus that is named by its ARN may be another account's.
    fn is_made(&self) -> bool {
        self.0 != DEFAULT && !self.0.starts_with("arn:")
    }

    fn what(&self) -> String {
        format!("event bus `{}`", self.0)
    }

    pub(super) fn plan(&self) -> Option<String> {
        self.is_made().then(|| self.what())
    }

    pub(super) async fn init(&self, aws: &Connection) -> Result<Option<Prepared>, ServiceError> {
        let created = match self.look(aws).await {
            Ok(()) => false,
            Err(error) if is_absent(&error) && self.is_made() => {
                self.create(aws).await?;
                true
            }
            Err(error) => return Err(error),
        };
        Ok(Some(Prepared::new(self.what(), created)))
    }

    pub(super) async fn check(&self, aws: &Connection) -> Option<Finding> {
        let error = self.look(aws).await.err()?;
        Some(failed(self.what(), error))
    }

    async fn look(&self, aws: &Connection) -> Result<(), ServiceError> {
        aws.call(Action::DESCRIBE_BUS, |aws| {
            aws.eventbridge.describe_event_bus().name(&self.0).send()
        })
        .await
        .map(drop)
    }

    async fn create(&self, aws: &Connection) -> Result<(), ServiceError> {
        aws.call(Action::CREATE_BUS, |aws| {
            aws.eventbridge.create_event_bus().name(&self.0).send()
        })
        .await
        .map(drop)
    }
}
