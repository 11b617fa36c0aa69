//! The health of the stores in memory: good, unless a test makes the check fail.

use async_trait::async_trait;
use twin_capabilities::{Health, types::Failure};

use super::Store;

#[async_trait]
impl Health for Store {
    async fn check(&self) -> Result<(), Failure> {
        self.health.open().map(drop)
    }
}
