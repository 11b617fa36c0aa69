//! The store `postgres`: a PostgreSQL database, which any number of hosts can share.

use std::num::NonZeroU32;

use async_trait::async_trait;
use twin_postgres::{
    DEFAULT_CONNECTIONS, MIN_CONNECTIONS, NEWEST, PostgresError, PostgresSettings, PostgresUrl,
    Prepared as Tables,
};

use super::{Examined, Kind, Opened, Prepared, StoreError};
use crate::config::{
    Config, ConfigError, Reads,
    Unset::{Nothing, Value},
    Variable,
    parse::number,
    reads,
};

const VARIABLES: &[Variable] = &[
    Variable::new(
        "TWIN_POSTGRES_URL",
        Nothing,
        Reads::Field {
            set: |config, text| {
                let url = PostgresUrl::parse(text).map_err(|error| format!("{URL} ({error})"))?;
                config.storage.postgres.url = Some(url);
                Ok(())
            },
            values: || URL.to_owned(),
        },
        "the database, and the role that uses its tables",
    )
    .secret(),
    Variable::new(
        "TWIN_POSTGRES_CONNECTIONS",
        Value("10"),
        reads!(number(MIN_CONNECTIONS..=1000), |config, value| {
            config.storage.postgres.connections = NonZeroU32::new(value).unwrap_or(NonZeroU32::MIN);
        }),
        "the most connections to the database",
    ),
];

const URL: &str = "a URL such as postgres://role:password@host:5432/database?sslmode=require";

/// The variables of this store.
#[derive(Clone, Debug)]
pub struct PostgresStorage {
    /// `TWIN_POSTGRES_URL`.
    pub url: Option<PostgresUrl>,
    /// `TWIN_POSTGRES_CONNECTIONS`.
    pub connections: NonZeroU32,
}

impl Default for PostgresStorage {
    fn default() -> Self {
        Self {
            url: None,
            connections: NonZeroU32::new(DEFAULT_CONNECTIONS).unwrap_or(NonZeroU32::MIN),
        }
    }
}

/// A database, for any number of hosts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Postgres;

#[async_trait]
impl Kind for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn help(&self) -> &'static str {
        "the PostgreSQL database of TWIN_POSTGRES_URL"
    }

    fn variables(&self) -> &'static [Variable] {
        VARIABLES
    }

    fn outlives_the_machine(&self) -> bool {
        true
    }

    fn check(&self, config: &Config) -> Result<(), ConfigError> {
        url(config).map(|_| ())
    }

    async fn open(&self, config: &Config) -> Result<Opened, StoreError> {
        let postgres = twin_postgres::open(settings(config)?, &config.twin).await?;
        Ok(Opened {
            retention: Box::pin(postgres.retention()),
            stores: postgres.stores(),
        })
    }

    async fn init(&self, config: &Config, grant_to: Option<&str>) -> Result<Prepared, StoreError> {
        let tables = twin_postgres::init(&settings(config)?, grant_to).await?;
        Ok(prepared(tables))
    }

    async fn upgrade(&self, config: &Config) -> Result<Prepared, StoreError> {
        let tables = twin_postgres::upgrade(&settings(config)?).await?;
        Ok(prepared(tables))
    }

    async fn examine(&self, config: &Config) -> Result<Examined, StoreError> {
        // A host that opens it finds everything that could be wrong, and names it.
        let opened = twin_postgres::open(settings(config)?, &config.twin).await;
        let mut examined = Examined::default();
        match opened {
            Ok(_) => examined.notes.push(format!(
                "the database of TWIN_POSTGRES_URL: its tables have version {NEWEST} and can be used"
            )),
            Err(error) => examined.faults.push(error.to_string()),
        }
        Ok(examined)
    }
}

fn settings(config: &Config) -> Result<PostgresSettings, StoreError> {
    let storage = &config.storage;
    // A configuration that was checked has a URL.
    let missing = |error: ConfigError| PostgresError::UrlInvalid(error.to_string());
    let mut settings = PostgresSettings::new(url(config).map_err(missing)?.clone());
    settings.cloud = Some(config.cloud);
    settings.connections = storage.postgres.connections;
    settings.record_age = storage.record_age;
    settings.letter_age = storage.letter_age;
    settings.ephemeral = storage.ephemeral;
    settings
        .extra_ca_file
        .clone_from(&config.peers.extra_ca_file);
    Ok(settings)
}

fn url(config: &Config) -> Result<&PostgresUrl, ConfigError> {
    let url = config.storage.postgres.url.as_ref();
    url.ok_or_else(|| ConfigError::Needed {
        variables: "TWIN_POSTGRES_URL",
        reason: "TWIN_STORE is postgres".into(),
    })
}

const fn prepared(tables: Tables) -> Prepared {
    match tables {
        Tables::Made => Prepared::Created(NEWEST),
        Tables::Upgraded(from) => Prepared::Upgraded { from, to: NEWEST },
        Tables::Unchanged => Prepared::Unchanged(NEWEST),
    }
}
