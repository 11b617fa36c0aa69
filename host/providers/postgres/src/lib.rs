//! The provider `postgres`: a twin's data in a PostgreSQL database. Any number of hosts work beside each other over one
//! database, and a host keeps nothing.
//!
//! # What is acknowledged
//!
//! An acknowledged write is committed with `synchronous_commit = on`: it is on the server's disk, and on that of its synchronous
//! standby, if the server has one. This also holds for a write that was there already: see `records`. A lost connection is
//! [`Failure::Unavailable`](twin_capabilities::Failure::Unavailable), never a success.
//!
//! # How it is built
//!
//! [`open`] makes two pools of connections, one that reads and one that writes, so that slow queries do not keep data from
//! being stored. Records, letters and events are gathered (`batch`): what arrives while one batch commits is the next. Each operation
//! is a `pool::Work` and runs in a task of its own, so that it completes if its caller goes away.
//!
//! The store's clock is the server's. The tables are made by [`init`] and changed by [`upgrade`]; the role of a host needs no
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
pub use settings::{DEFAULT_CONNECTIONS, MIN_CONNECTIONS, PostgresSettings};
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

/// One twin's stores in a database. Clones share them; they are closed with the last of the [`Stores`].
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

/// Batches of one kind that are written at once.
const BATCHES: usize = 1;

/// Opens a twin's stores. Creates nothing: the tables must be there.
///
/// # Errors
/// If no host of the URL can be reached, the server does not keep what it acknowledges, or the tables are not those that this
/// program works with.
pub async fn open(settings: PostgresSettings, twin: &str) -> Result<Postgres, PostgresError> {
    open_with(settings, twin, Hands::default()).await
}

/// As [`open`], with a clock of the caller's in the place of the server's.
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

    // One connection listens.
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
