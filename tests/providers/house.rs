//! A place where a twin's data can live, with a clock that the test turns.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use tempfile::TempDir;
use tokio::{runtime::Handle, task::block_in_place};
use twin_contract::Cloud;
use twin_host::providers::{
    Clock, Stores,
    local::{Local, LocalSettings},
    memory::Memory,
};

use twin_postgres_server::{Server, shared};

/// When every house is built: 2026-01-01T00:00:00Z, in microseconds.
const BUILT: i64 = 1_767_225_600_000_000;

/// The twin that lives in a house, where it does not matter which.
const TWIN: &str = "factory-01";

/// One provider, which may be opened several times.
pub(crate) struct House {
    time: Arc<AtomicI64>,
    place: Place,
}

enum Place {
    Folder(TempDir),
    Memory(Mutex<HashMap<String, Memory>>),
    Database(Arc<Server>, String),
}

impl House {
    pub(crate) fn local() -> Option<Self> {
        Some(Self::at(Place::Folder(tempfile::tempdir().unwrap())))
    }

    pub(crate) fn memory() -> Option<Self> {
        Some(Self::at(Place::Memory(Mutex::default())))
    }

    /// A database of its own; none where PostgreSQL is not installed.
    pub(crate) fn postgres() -> Option<Self> {
        let server = match shared() {
            Ok(server) => server,
            Err(reason) => {
                println!("skipped: provider postgres: {reason}");
                return None;
            }
        };
        let database = now(server.new_store());
        Some(Self::at(Place::Database(server, database)))
    }

    fn at(place: Place) -> Self {
        Self {
            time: Arc::new(AtomicI64::new(BUILT)),
            place,
        }
    }

    /// Opens the house as another process would.
    pub(crate) fn open(&self) -> Stores {
        self.open_for(TWIN)
    }

    /// Opens the house for a twin of that name.
    pub(crate) fn open_for(&self, twin: &str) -> Stores {
        match &self.place {
            Place::Folder(folder) => {
                let settings = LocalSettings {
                    cloud: Some(Cloud::Aws),
                    ..LocalSettings::default()
                };
                let local = Local::open_with(folder.path(), twin, settings, self.clock());
                local.unwrap().stores()
            }
            Place::Memory(twins) => twins
                .lock()
                .unwrap()
                .entry(twin.to_owned())
                .or_insert_with(|| Memory::new(self.clock()))
                .stores(),
            Place::Database(server, database) => {
                let mut settings = server.settings(database);
                settings.cloud = Some(Cloud::Aws);
                let opened = twin_postgres::open_at(settings, twin, self.clock());
                now(opened).unwrap().stores()
            }
        }
    }

    /// What the clock shows.
    pub(crate) fn now(&self) -> i64 {
        self.time.load(Ordering::SeqCst)
    }

    /// Turns the clock on by some microseconds.
    pub(crate) fn turn(&self, micros: i64) {
        self.time.fetch_add(micros, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        let time = Arc::clone(&self.time);
        Arc::new(move || time.load(Ordering::SeqCst))
    }
}

/// Waits for something where the caller cannot.
fn now<T>(future: impl Future<Output = T>) -> T {
    block_in_place(|| Handle::current().block_on(future))
}
