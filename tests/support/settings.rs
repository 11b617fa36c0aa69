//! The settings of a function on a stage, which a test can remove or make fail while the function runs.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use twin_capabilities::{Settings as Capability, types::Failure};

/// Settings by name. Clones share them.
#[derive(Clone, Default)]
pub struct Settings(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    values: HashMap<String, String>,
    failing: BTreeSet<String>,
    asked: Vec<String>,
}

impl Settings {
    /// Sets a setting.
    pub fn set(&self, name: &str, value: &str) {
        self.with(|inner| inner.values.insert(name.to_owned(), value.to_owned()));
    }

    /// Removes a setting.
    pub fn unset(&self, name: &str) {
        self.with(|inner| inner.values.remove(name));
    }

    /// Makes reading a setting fail.
    pub fn fail(&self, name: &str) {
        self.with(|inner| inner.failing.insert(name.to_owned()));
    }

    /// Makes every setting readable again.
    pub fn heal(&self) {
        self.with(|inner| inner.failing.clear());
    }

    /// The names read so far, in order.
    pub fn asked(&self) -> Vec<String> {
        self.with(|inner| inner.asked.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Capability for Settings {
    async fn get(&self, name: &str) -> Result<Option<String>, Failure> {
        self.with(|inner| {
            inner.asked.push(name.to_owned());
            if inner.failing.contains(name) {
                return Err(Failure::Unavailable("the vault is sealed".to_owned()));
            }
            Ok(inner.values.get(name).cloned())
        })
    }
}
