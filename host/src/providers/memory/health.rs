//! The health of memory is what a test says it is.

use async_trait::async_trait;

use super::Store;
use crate::{bindings::types::Failure, providers::Health};

#[async_trait]
impl Health for Store {
    async fn check(&self) -> Result<(), Failure> {
        self.health.open().map(drop)
    }
}
