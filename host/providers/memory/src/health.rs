//! The health of memory is what a test says it is.

use async_trait::async_trait;
use twin_capabilities::{Health, types::Failure};

use super::Store;

#[async_trait]
impl Health for Store {
    async fn check(&self) -> Result<(), Failure> {
        self.health.open().map(drop)
    }
}
