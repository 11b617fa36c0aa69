//! The provider held to the behaviour suite, in tables of an emulator.

#![cfg(test)]

#[allow(dead_code, reason = "shared by several tests")]
mod emulator;

use std::thread;

use emulator::Emulator;
use twin_aws::AwsSettings;
use twin_capabilities::{
    Stores, provider_tests,
    testing::{Fixture, ManualClock, Skipped},
};

/// Empty tables, in which there are several twins.
pub(crate) struct Tables {
    clock: ManualClock,
    emulator: Emulator,
    settings: AwsSettings,
}

impl Fixture for Tables {
    async fn set_up() -> Result<Self, Skipped> {
        let emulator = Emulator::find()?;
        let settings = emulator.settings();
        twin_aws::init(&settings, "factory-01").await.unwrap();
        Ok(Self {
            clock: ManualClock::new(),
            emulator,
            settings,
        })
    }

    async fn open_twin(&self, twin: &str) -> Stores {
        twin_aws::open_at(self.settings.clone(), twin, self.clock.as_clock()).stores()
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn has_outbox(&self) -> bool {
        false
    }

    fn largest_body(&self) -> usize {
        400_000
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        let config = self.emulator.config();
        let prefix = self.settings.prefix.clone().unwrap();
        // A thread of its own, since the test's runtime cannot wait here.
        let removed = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(remove(&config, &prefix));
        });
        removed.join().unwrap();
    }
}

async fn remove(config: &aws_config::SdkConfig, prefix: &str) {
    let dynamodb = aws_sdk_dynamodb::Client::new(config);
    for table in ["messages", "system-errors", "dead-letters", "state"] {
        let delete = dynamodb.delete_table();
        let name = format!("{prefix}-{table}");
        delete.table_name(name).send().await.unwrap();
    }
    let sqs = aws_sdk_sqs::Client::new(config);
    let name = format!("{prefix}-dead-letters");
    let queue = sqs.get_queue_url().queue_name(name).send().await.unwrap();
    let delete = sqs.delete_queue().set_queue_url(queue.queue_url);
    delete.send().await.unwrap();
}

provider_tests!(Tables);
