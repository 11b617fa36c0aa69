//! The store `aws`: tables of DynamoDB, a bus of EventBridge, a queue of SQS.

use std::num::NonZeroU32;

use async_trait::async_trait;
use twin_aws::{AwsSettings, DeadLetterQueue};

use super::{Kind, Opened, Prepared, StoreError};
use crate::config::{
    Config, ConfigError, Reads,
    Unset::{Otherwise, Value},
    Variable,
    parse::{number, text},
    reads,
};

const VARIABLES: &[Variable] = &[
    Variable::new(
        "TWIN_AWS_PREFIX",
        Otherwise("TWIN_NAME"),
        reads!(text(), |config, value| config.storage.aws.prefix =
            Some(value)),
        "what the names of the tables begin with",
    ),
    Variable::new(
        "TWIN_AWS_EVENT_BUS",
        Value("default"),
        reads!(storage.aws.event_bus = text()),
        "name or ARN of the EventBridge bus for system errors",
    ),
    Variable::new(
        "TWIN_AWS_DEAD_LETTER_QUEUE",
        Otherwise("the prefix with -dead-letters"),
        Reads::Field {
            set: |config, text| {
                config.storage.aws.dead_letter_queue = queue(text);
                Ok(())
            },
            values: || "a name, a URL, or none".to_owned(),
        },
        "SQS queue that gets a copy of each dead letter",
    ),
    Variable::new(
        "TWIN_AWS_SHARDS",
        Value("1"),
        reads!(number(1..=1000_u32), |config, value| {
            config.storage.aws.shards = NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN);
        }),
        "partitions over which the records of a device are spread; it must not change once there are records",
    ),
];

fn queue(text: &str) -> DeadLetterQueue {
    match text {
        "none" => DeadLetterQueue::None,
        url if url.contains("://") => DeadLetterQueue::Url(url.to_owned()),
        name => DeadLetterQueue::Named(name.to_owned()),
    }
}

/// An account of AWS, for any number of hosts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aws;

#[async_trait]
impl Kind for Aws {
    fn name(&self) -> &'static str {
        "aws"
    }

    fn help(&self) -> &'static str {
        "DynamoDB, EventBridge and SQS, with AWS's own variables for account and region"
    }

    fn variables(&self) -> &'static [Variable] {
        VARIABLES
    }

    fn is_named_after_the_twin(&self) -> bool {
        true
    }

    fn outlives_the_machine(&self) -> bool {
        true
    }

    fn check(&self, _: &Config) -> Result<(), ConfigError> {
        Ok(())
    }

    async fn open(&self, config: &Config) -> Result<Opened, StoreError> {
        let stores = twin_aws::open(settings(config), &config.twin).stores();
        Ok(Opened::without_retention(stores))
    }

    async fn init(&self, config: &Config, _: Option<&str>) -> Result<Prepared, StoreError> {
        let prepared = twin_aws::init(&settings(config), &config.twin)
            .await
            .map_err(StoreError::Aws)?;
        Ok(Prepared::Parts(
            prepared.iter().map(ToString::to_string).collect(),
        ))
    }

    async fn upgrade(&self, config: &Config) -> Result<Prepared, StoreError> {
        self.init(config, None).await
    }

    async fn plan(&self, config: &Config) -> Result<Vec<String>, StoreError> {
        Ok(twin_aws::plan(&settings(config), &config.twin))
    }

    async fn examine(&self, config: &Config) -> Result<Vec<String>, StoreError> {
        let findings = twin_aws::check(&settings(config), &config.twin).await;
        Ok(findings.iter().map(ToString::to_string).collect())
    }
}

fn settings(config: &Config) -> AwsSettings {
    let mut settings = config.storage.aws.clone();
    settings.record_age = config.storage.record_age;
    settings.letter_age = config.storage.letter_age;
    settings
}
