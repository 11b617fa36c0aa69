//! How AWS is used.

use std::fmt;

use aws_credential_types::provider::SharedCredentialsProvider;
use twin_documents::{Settings, Table};

/// How AWS is used. [`AwsSettings::new`] has the defaults.
#[derive(Clone)]
#[non_exhaustive]
pub struct AwsSettings {
    /// The region of the tables, the queue and the bus. Without it, it is found as AWS's own programs find it: `AWS_REGION`, the
    /// profile, the metadata of the machine.
    pub region: Option<String>,
    /// The URL at which all services answer, in place of their public ones: a private endpoint or a gateway. For one service
    /// alone, AWS's own variables serve, such as `AWS_ENDPOINT_URL_DYNAMODB`.
    pub endpoint: Option<String>,
    /// Where credentials come from. Without it, where AWS's own programs take them from: the variables of a function, the role of
    /// a container or machine, a profile.
    pub credentials: Option<SharedCredentialsProvider>,
    /// What the names of the tables begin with; the twin's name, if nothing else is said.
    pub prefix: Option<String>,
    /// The bus on which system errors are published: its name or its ARN.
    pub event_bus: String,
    /// Where dead letters are copied to.
    pub dead_letter_queue: DeadLetterQueue,
    /// How long data is kept, and how a device is spread. DynamoDB removes items up to some days late. One partition takes about 1000
    /// writes of 1 KiB in a second.
    pub kept: Settings,
}

/// The queue to which dead letters are copied, for the cloud's own alarms and tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DeadLetterQueue {
    /// `{prefix}-dead-letters`, with hyphens in place of dots, which the names of queues cannot have.
    #[default]
    Own,
    /// The queue of this name in the account and region of the host.
    Named(String),
    /// The queue of this URL, which may be another account's. It is used as it is and never created.
    Url(String),
    /// No copies are made.
    None,
}

impl Default for AwsSettings {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AwsSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AwsSettings")
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("prefix", &self.prefix)
            .field("event_bus", &self.event_bus)
            .field("dead_letter_queue", &self.dead_letter_queue)
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}

impl AwsSettings {
    /// The account's default bus, a queue of the twin's own, nothing is removed, and a device has one partition.
    #[must_use]
    pub fn new() -> Self {
        Self {
            region: None,
            endpoint: None,
            credentials: None,
            prefix: None,
            event_bus: "default".to_owned(),
            dead_letter_queue: DeadLetterQueue::default(),
            kept: Settings::default(),
        }
    }
}

/// The names of what a twin has in an account.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    prefix: String,
}

impl Names {
    pub(crate) fn of(settings: &AwsSettings, twin: &str) -> Self {
        let prefix = settings.prefix.as_deref().unwrap_or(twin).to_owned();
        Self { prefix }
    }

    pub(crate) fn table(&self, table: Table) -> String {
        let suffix = match table {
            Table::Messages => "messages",
            Table::SystemErrors => "system-errors",
            Table::DeadLetters => "dead-letters",
            Table::State => "state",
        };
        format!("{}-{suffix}", self.prefix)
    }

    /// The name of the twin's own queue.
    pub(crate) fn queue(&self) -> String {
        format!("{}-dead-letters", self.prefix.replace('.', "-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_with_the_twins_name_or_the_prefix() {
        let mut settings = AwsSettings::new();
        let names = Names::of(&settings, "factory.01");
        assert_eq!(names.table(Table::SystemErrors), "factory.01-system-errors");
        assert_eq!(names.queue(), "factory-01-dead-letters");
        settings.prefix = Some("prod".to_owned());
        let names = Names::of(&settings, "factory.01");
        let tables = Table::ALL.map(|table| names.table(table));
        assert_eq!(
            tables,
            [
                "prod-messages",
                "prod-system-errors",
                "prod-dead-letters",
                "prod-state"
            ]
        );
    }
}
