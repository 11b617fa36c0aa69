//! The places in which the suite tests each provider: a folder, memory, a PostgreSQL database.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use tempfile::TempDir;
use twin_capabilities::{
    Stores,
    testing::{Fixture, ManualClock, Skipped},
};
use twin_contract::Cloud;
use twin_host::providers::{
    local::{Local, LocalSettings},
    memory::Memory,
};
use twin_postgres_server::{Server, shared};

/// An empty data folder.
pub(crate) struct Folder {
    clock: ManualClock,
    folder: TempDir,
}

impl Fixture for Folder {
    async fn set_up() -> Result<Self, Skipped> {
        Ok(Self {
            clock: ManualClock::new(),
            folder: tempfile::tempdir().unwrap(),
        })
    }

    async fn open_twin(&self, twin: &str) -> Stores {
        let settings = LocalSettings {
            cloud: Some(Cloud::Aws),
            ..LocalSettings::default()
        };
        let local = Local::open_with(self.folder.path(), twin, settings, self.clock.as_clock());
        local.unwrap().stores()
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}

/// Stores in memory. All who open the same twin share them.
#[derive(Default)]
pub(crate) struct InMemory {
    clock: ManualClock,
    twins: Mutex<HashMap<String, Memory>>,
}

impl Fixture for InMemory {
    async fn set_up() -> Result<Self, Skipped> {
        Ok(Self::default())
    }

    async fn open_twin(&self, twin: &str) -> Stores {
        let mut twins = self.twins.lock().unwrap();
        let memory = twins
            .entry(twin.to_owned())
            .or_insert_with(|| Memory::new(self.clock.as_clock()));
        memory.stores()
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}

/// A database with empty tables, on a server that the tests share.
pub(crate) struct Database {
    clock: ManualClock,
    server: Arc<Server>,
    name: String,
}

impl Fixture for Database {
    async fn set_up() -> Result<Self, Skipped> {
        let server = shared().map_err(Skipped)?;
        let name = server.new_store().await;
        Ok(Self {
            clock: ManualClock::new(),
            server,
            name,
        })
    }

    async fn open_twin(&self, twin: &str) -> Stores {
        let mut settings = self.server.settings(&self.name);
        settings.cloud = Some(Cloud::Aws);
        let opened = twin_postgres::open_at(settings, twin, self.clock.as_clock()).await;
        opened.unwrap().stores()
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}
