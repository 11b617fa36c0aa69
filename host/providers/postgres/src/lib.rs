//! The provider `postgres`: a twin's data in a PostgreSQL database. Any number of hosts can share one database; a host
//! keeps no data of its own.
//!
//! # What is acknowledged
//!
//! An acknowledged write is committed with `synchronous_commit = on`: it is on the server's disk, and on that of its
//! synchronous standby, if the server has one. This also holds for a write that was already stored: see `records`. A lost
//! connection is [`Failure::Unavailable`](twin_capabilities::Failure::Unavailable), never a success.
//!
//! # How it is built
//!
//! [`open`] creates two pools of connections, one for reading and one for writing, so slow queries do not delay writes.
//! Records, letters and events are written in batches (`batch`): requests that arrive while one batch commits form the
//! next. Each operation is a `pool::Work` and runs in a task of its own, so it completes even if its caller stops waiting.
//!
//! The store's clock is the server's. [`init`] creates the tables and [`upgrade`] changes them; the role of a host needs no
//! right to do either.
//!
//! # Example
//!
//! ```no_run
//! use twin_postgres::{PostgresSettings, PostgresUrl};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Once, by the role that owns the tables.
//! let owner = PostgresUrl::parse("postgres://twin_owner:secret@db1/factory")?;
//! twin_postgres::init(&PostgresSettings::new(owner), Some("twin_host")).await?;
//!
//! // In every host.
//! let url = PostgresUrl::parse("postgres://twin_host:secret@db1,db2/factory")?;
//! let stores = twin_postgres::open(PostgresSettings::new(url), "factory-01").await?.stores();
//! stores.health.check().await?;
//! # Ok(())
//! # }
//! ```

mod batch;
mod circuits;
mod clock;
mod columns;
mod connection;
mod damage;
mod dead_letters;
mod error;
mod error_topic;
mod health;
mod listen;
mod pool;
mod push;
mod put;
mod records;
mod replay;
mod retention;
mod schema;
mod seal;
mod settings;
mod statistics;
mod take;
mod text;
mod tls;
mod url;

use std::{fmt, sync::Arc};

use twin_capabilities::Stores;

pub use error::PostgresError;
pub use retention::Expired;
pub use schema::{NEWEST, Prepared, init, upgrade};
pub use settings::{DEFAULT_CONNECTIONS, MIN_CONNECTIONS, PostgresSettings, Renewal};
pub use twin_capabilities::provider::Clock;
pub use url::PostgresUrl;

use crate::{
    batch::Gathering,
    clock::Hands,
    connection::{Home, Place},
    error_topic::Publish,
    listen::Listener,
    pool::Pool,
    push::Push,
    put::Put,
};

/// One twin's stores in a database. Clones share them; they are closed when the last of the [`Stores`] is dropped.
#[derive(Clone)]
pub struct Postgres {
    place: Arc<Place>,
    store: Arc<Store>,
}

impl fmt::Debug for Postgres {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Postgres").finish_non_exhaustive()
    }
}

/// The open database. The files named after the capabilities implement their traits on it.
struct Store {
    reads: Pool,
    writes: Pool,
    puts: Gathering<Put>,
    pushes: Gathering<Push>,
    events: Gathering<Publish>,
    listener: Listener,
}

/// Batches of one kind that are written at the same time.
const BATCHES: usize = 1;

/// Opens a twin's stores. Creates nothing: the tables must exist.
///
/// # Errors
/// If no host of the URL can be reached, the server may lose what it acknowledges, or the tables do not have the
/// version that this program needs.
pub async fn open(settings: PostgresSettings, twin: &str) -> Result<Postgres, PostgresError> {
    open_with(settings, twin, Hands::default()).await
}

/// Like [`open`], with a clock of the caller's instead of the server's.
///
/// # Errors
/// As for [`open`].
#[cfg(feature = "testing")]
pub async fn open_at(
    settings: PostgresSettings,
    twin: &str,
    clock: Clock,
) -> Result<Postgres, PostgresError> {
    open_with(settings, twin, Hands(Some(clock))).await
}

async fn open_with(
    settings: PostgresSettings,
    twin: &str,
    hands: Hands,
) -> Result<Postgres, PostgresError> {
    let connections = settings.connections.get();
    if connections < MIN_CONNECTIONS {
        return Err(PostgresError::SettingInvalid {
            name: "TWIN_POSTGRES_CONNECTIONS",
            expected: "at least 4",
        });
    }
    let place = Arc::new(Place::new(Arc::new(Home {
        twin: twin.to_owned(),
        hands,
        settings,
    }))?);
    let session = place.connect(None).await?;
    schema::check(&session).await?;
    drop(session);

    // One connection is for listening.
    let others = usize::try_from(connections - 1).unwrap_or(3);
    let reads = Pool::new(Arc::clone(&place), (others / 2).max(1));
    let writes = Pool::new(Arc::clone(&place), others - others / 2);
    let store = Store {
        puts: Gathering::start(writes.clone(), BATCHES),
        pushes: Gathering::start(writes.clone(), BATCHES),
        events: Gathering::start(writes.clone(), BATCHES),
        listener: Listener::start(Arc::clone(&place)),
        reads,
        writes,
    };
    Ok(Postgres {
        place,
        store: Arc::new(store),
    })
}

impl Postgres {
    /// The stores in this database.
    pub fn stores(&self) -> Stores {
        Stores::of(&self.store)
    }
}
