//! The store `postgres`: a PostgreSQL database, which any number of hosts can share.

use std::{num::NonZeroU32, sync::Arc};

use async_trait::async_trait;
use twin_postgres::{
    DEFAULT_CONNECTIONS, MIN_CONNECTIONS, NEWEST, PostgresSettings, PostgresUrl,
    Prepared as Tables, Renewal,
};

use super::{Examined, Kind, Opened, Prepared, StoreError};
use crate::{
    config::{
        Config, ConfigError, Reads,
        Unset::{Nothing, Value},
        Variable,
        parse::number,
        reads,
    },
    secrets::{Configured, FORMS, Vault, vault::AFTER_REFUSAL},
};

/// The variable with the URL.
const VARIABLE: &str = "TWIN_POSTGRES_URL";

const VARIABLES: &[Variable] = &[
    Variable::new(
        VARIABLE,
        Nothing,
        Reads::Field {
            set: |config, text| {
                config.storage.postgres.url = Some(location(text)?);
                Ok(())
            },
            values: || format!("{URL}, or a reference to one ({FORMS})"),
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

/// A URL, which is checked, or where one is kept.
fn location(text: &str) -> Result<Configured, String> {
    let location = Configured::parse(text)
        .map_err(|error| format!("{URL}, or a reference to one ({FORMS}); {error}"))?;
    if let Configured::Value(url) = &location {
        PostgresUrl::parse(url.expose()).map_err(|error| format!("{URL} ({error})"))?;
    }
    Ok(location)
}

const URL: &str = "a URL such as postgres://role:password@host:5432/database?sslmode=require";

/// The variables of this store.
#[derive(Clone, Debug)]
pub struct PostgresStorage {
    /// `TWIN_POSTGRES_URL`.
    pub url: Option<Configured>,
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

    fn database(&self) -> &'static str {
        "postgresql"
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
        location_in(config).map(|_| ())
    }

    async fn open(&self, config: &Config) -> Result<Opened, StoreError> {
        let postgres = twin_postgres::open(settings(config).await?, &config.twin).await?;
        Ok(Opened {
            retention: Box::pin(postgres.retention()),
            stores: postgres.stores(),
        })
    }

    async fn init(&self, config: &Config, grant_to: Option<&str>) -> Result<Prepared, StoreError> {
        let tables = twin_postgres::init(&settings(config).await?, grant_to).await?;
        Ok(prepared(tables))
    }

    async fn upgrade(&self, config: &Config) -> Result<Prepared, StoreError> {
        let tables = twin_postgres::upgrade(&settings(config).await?).await?;
        Ok(prepared(tables))
    }

    async fn examine(&self, config: &Config) -> Result<Examined, StoreError> {
        // A host that opens it finds everything that could be wrong, and names it.
        let opened = twin_postgres::open(settings(config).await?, &config.twin).await;
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

async fn settings(config: &Config) -> Result<PostgresSettings, StoreError> {
    let storage = &config.storage;
    let kept = Kept {
        location: location_in(config)?.clone(),
        vault: Vault::default(),
    };
    let mut settings = PostgresSettings::new(kept.look_up().await?);
    settings.cloud = Some(config.cloud);
    settings.connections = storage.postgres.connections;
    settings.record_age = storage.record_age;
    settings.letter_age = storage.letter_age;
    settings.ephemeral = storage.ephemeral;
    settings
        .extra_ca_file
        .clone_from(&config.peers.extra_ca_file);
    settings.renewal = Some(Arc::new(kept));
    Ok(settings)
}

fn location_in(config: &Config) -> Result<&Configured, ConfigError> {
    let location = config.storage.postgres.url.as_ref();
    location.ok_or_else(|| ConfigError::Needed {
        variables: VARIABLE,
        reason: "TWIN_STORE is postgres".into(),
    })
}

/// Where the URL is kept.
#[derive(Debug)]
struct Kept {
    location: Configured,
    vault: Vault,
}

impl Kept {
    async fn look_up(&self) -> Result<PostgresUrl, ConfigError> {
        let url = self.vault.value(&self.location).await;
        let url = url.map_err(|error| ConfigError::of_secret(VARIABLE, error))?;
        PostgresUrl::parse(url.expose()).map_err(|error| ConfigError::Invalid {
            variable: VARIABLE,
            value: self.location.reference().map(ToString::to_string),
            expected: format!("{URL}, or refer to one ({error})"),
        })
    }
}

#[async_trait]
impl Renewal for Kept {
    async fn url(&self) -> Option<PostgresUrl> {
        let renewed = self.vault.renew(&self.location, AFTER_REFUSAL).await;
        let found = match renewed {
            Ok(_) => self.look_up().await,
            Err(error) => Err(ConfigError::of_secret(VARIABLE, error)),
        };
        found
            .inspect_err(
                |error| tracing::warn!(%error, "the database refused its role or password"),
            )
            .ok()
    }
}

const fn prepared(tables: Tables) -> Prepared {
    match tables {
        Tables::Made => Prepared::Created(NEWEST),
        Tables::Upgraded(from) => Prepared::Upgraded { from, to: NEWEST },
        Tables::Unchanged => Prepared::Unchanged(NEWEST),
    }
}
