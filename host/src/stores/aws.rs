//! The store `aws`: tables of DynamoDB, a bus of EventBridge, a queue of SQS.

use async_trait::async_trait;
use twin_aws::{AwsSettings, DeadLetterQueue, Finding, Prepared};
use twin_capabilities::Stores;

use super::{
    StoreError,
    clouds::{Cloud, kept, shards, shards_variable},
};
use crate::config::{
    Config, ConfigError, Reads,
    Unset::{Otherwise, Value},
    Variable,
    parse::text,
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
    shards_variable(
        "TWIN_AWS_SHARDS",
        reads!(storage.aws.kept.shards = shards()),
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
impl Cloud for Aws {
    fn name(&self) -> &'static str {
        "aws"
    }

    fn database(&self) -> &'static str {
        "aws.dynamodb"
    }

    fn help(&self) -> &'static str {
        "DynamoDB, EventBridge and SQS, with AWS's own variables for account and region"
    }

    fn variables(&self) -> &'static [Variable] {
        VARIABLES
    }

    fn check(&self, _: &Config) -> Result<(), ConfigError> {
        Ok(())
    }

    async fn stores(&self, config: &Config) -> Result<Stores, StoreError> {
        Ok(twin_aws::open(settings(config), &config.twin).stores())
    }

    async fn init(&self, config: &Config) -> Result<Vec<Prepared>, StoreError> {
        let prepared = twin_aws::init(&settings(config), &config.twin).await;
        prepared.map_err(StoreError::Aws)
    }

    async fn plan(&self, config: &Config) -> Result<Vec<String>, StoreError> {
        Ok(twin_aws::plan(&settings(config), &config.twin))
    }

    async fn examine(&self, config: &Config) -> Result<Vec<Finding>, StoreError> {
        Ok(twin_aws::check(&settings(config), &config.twin).await)
    }
}

fn settings(config: &Config) -> AwsSettings {
    let mut settings = config.storage.aws.clone();
    settings.kept = kept(config, settings.kept);
    settings
}
