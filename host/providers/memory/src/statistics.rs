//! The numbers of the stores in memory.

use async_trait::async_trait;
use twin_capabilities::{
    Statistics,
    health::{COUNTED, Numbers},
    provider::age,
    types::Failure,
};

use super::Store;

#[async_trait]
impl Statistics for Store {
    async fn numbers(&self) -> Result<Numbers, Failure> {
        let (letters, oldest) = self.dead_letters.open()?.count();
        let outbox = self.error_topic.open()?.len();
        let circuits = self.circuits.open()?;
        Ok(Numbers {
            dead_letters: Some(counted(letters)),
            oldest_letter: Some(age((self.clock)(), oldest)),
            outbox: Some(counted(outbox)),
            circuits: circuits
                .iter()
                .map(|(name, (_, state))| (name.clone(), state.clone()))
                .collect(),
            disk_free: None,
        })
    }
}

fn counted(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(COUNTED).min(COUNTED)
}
