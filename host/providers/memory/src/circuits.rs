//! The interface `circuits` in memory.

use std::collections::HashMap;

use async_trait::async_trait;
use twin_capabilities::{
    Circuits,
    circuits::{Circuit, SwapFailure},
    provider::millis,
    types::Failure,
};

use super::Store;

/// Version and state of each circuit, by name.
pub(super) type Values = HashMap<String, (u64, String)>;

#[async_trait]
impl Circuits for Store {
    async fn load(&self, name: String) -> Result<Circuit, Failure> {
        let values = self.circuits.open()?;
        Ok(self.circuit(values.get(&name).cloned().unwrap_or_default()))
    }

    async fn compare_and_swap(
        &self,
        name: String,
        expected_version: u64,
        state: String,
    ) -> Result<Circuit, SwapFailure> {
        let mut values = self.circuits.open().map_err(SwapFailure::Store)?;
        let current = values.get(&name).cloned().unwrap_or_default();
        if current.0 != expected_version {
            return Err(SwapFailure::Conflict(self.circuit(current)));
        }
        let next = (expected_version + 1, state);
        values.insert(name, next.clone());
        Ok(self.circuit(next))
    }
}

impl Store {
    fn circuit(&self, (version, state): (u64, String)) -> Circuit {
        Circuit {
            version,
            state,
            now_ms: millis((self.clock)()),
        }
    }
}
