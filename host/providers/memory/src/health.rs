//! The health of memory is what a test says it is.

use async_trait::async_trait;

use super::Store;
use crate::providers::Health;
use twin_capabilities::types::Failure;

#[async_trait]
impl Health for Store {
    async fn check(&self) -> Result<(), Failure> {
        self.health.open().map(drop)
    }
}
