//! The tables: created and changed by the role that owns them, checked by the role that uses them.

use tokio_postgres::error::SqlState;

use crate::{
    PostgresError, PostgresSettings,
    connection::{Home, Place, Session},
    error::Trouble,
};

/// Each step upgrades the tables by one version.
const STEPS: [&str; 1] = [include_str!("schema_1.sql")];

/// The version that this program creates and uses.
pub const NEWEST: i32 = 1;

/// Serializes all changes of the tables.
const LOCK: &str = "SELECT pg_advisory_xact_lock(x'7477696e'::int, 0)";

/// The privileges of the host's role. It can change neither the tables nor their version.
const TABLES: [&str; 6] = [
    "records",
    "dead_letters",
    "error_events",
    "circuits",
    "damage",
    "health",
];

const MISSING: &str = "
    SELECT coalesce(string_agg(DISTINCT object, ', '), '') AS objects, role FROM (
        SELECT coalesce($2::text, current_user::text) AS role) AS who LEFT JOIN LATERAL (
        SELECT name AS object FROM unnest($1::text[]) AS name,
            unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
        WHERE NOT has_table_privilege(role, 'twin.' || name, privilege)
        UNION SELECT 'turns' WHERE NOT has_sequence_privilege(role, 'twin.turns', 'USAGE')) AS missing
        ON TRUE GROUP BY role";

/// What was done to the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// They were created.
    Made,
    /// They were upgraded from this version to [`NEWEST`].
    Upgraded(i32),
    /// They were already up to date.
    Unchanged,
}

/// Creates the tables, and permits a role to use them: for `twin store init`. If the tables exist, it only permits the
/// role.
///
/// # Errors
/// If the tables have another version, or the role of the URL may not do this.
/// If the tables are of another version, or the role of the URL may not do this.
pub async fn init(
    settings: &PostgresSettings,
    grant_to: Option<&str>,
) -> Result<Prepared, PostgresError> {
    let session = connect(settings).await?;
    begin(&session).await?;
    let prepared = match version(&session).await? {
        None => {
            step(&session, 0).await?;
            Prepared::Made
        }
        Some(found) => {
            must_be_newest(found)?;
            Prepared::Unchanged
        }
    };
    if let Some(role) = grant_to {
        grant(&session, role).await?;
    }
    session.commit().await.map_err(refused)?;
    Ok(prepared)
}

/// Upgrades the tables to the version that this program needs: for `twin store upgrade`. Hosts of the previous version may
/// run until they are replaced.
///
/// # Errors
/// If there are no tables, they have a newer version, or the role of the URL may not do this.
pub async fn upgrade(settings: &PostgresSettings) -> Result<Prepared, PostgresError> {
    let session = connect(settings).await?;
    begin(&session).await?;
    let prepared = match version(&session).await? {
        None => return Err(PostgresError::SchemaMissing),
        Some(NEWEST) => Prepared::Unchanged,
        Some(found) if found > NEWEST => return Err(too_new(found)),
        Some(found) => {
            step(&session, found).await?;
            Prepared::Upgraded(found)
        }
    };
    session.commit().await.map_err(refused)?;
    Ok(prepared)
}

/// Checks that the tables have the version that this program needs, and that its role may use them.
pub(crate) async fn check(session: &Session) -> Result<(), PostgresError> {
    match version(session).await? {
        None => return Err(PostgresError::SchemaMissing),
        Some(found) => must_be_newest(found)?,
    }
    must_be_granted(session, None).await
}

/// Checks that a role may use the tables: `role`, or the connected role if it is `None`.
async fn must_be_granted(session: &Session, role: Option<&str>) -> Result<(), PostgresError> {
    let tables: Vec<&str> = TABLES.to_vec();
    let missing = session
        .row(MISSING, &[&tables, &role])
        .await
        .map_err(refused)?;
    let text = |column| {
        missing
            .try_get::<_, String>(column)
            .map_err(PostgresError::Refused)
    };
    match text("objects")? {
        objects if objects.is_empty() => Ok(()),
        objects => Err(PostgresError::NotGranted {
            role: text("role")?,
            objects,
        }),
    }
}

async fn connect(settings: &PostgresSettings) -> Result<Session, PostgresError> {
    let home = Home {
        twin: String::new(),
        hands: crate::clock::Hands::default(),
        settings: settings.clone(),
    };
    let session = Place::new(home.into())?.connect(None).await?;
    // A step has no time limit.
    session
        .batch("SET statement_timeout = 0")
        .await
        .map_err(refused)?;
    Ok(session)
}

async fn begin(session: &Session) -> Result<(), PostgresError> {
    session.begin().await.map_err(refused)?;
    session.batch(LOCK).await.map_err(refused)
}

/// The version of the tables, if there are any.
async fn version(session: &Session) -> Result<Option<i32>, PostgresError> {
    const THERE: &str = "SELECT to_regclass('twin.schema') IS NOT NULL AS there";
    let there = match session.row(THERE, &[]).await {
        Err(Trouble::Statement(error)) if is_denied(&error) => return not_granted(session).await,
        there => there.map_err(refused)?,
    };
    if !there
        .try_get::<_, bool>("there")
        .map_err(PostgresError::Refused)?
    {
        return Ok(None);
    }
    let row = session.find("SELECT version FROM twin.schema", &[]).await;
    match row {
        Ok(row) => row
            .map(|row| row.try_get("version"))
            .transpose()
            .map_err(PostgresError::Refused),
        Err(Trouble::Statement(error)) if is_denied(&error) => not_granted(session).await,
        Err(trouble) => Err(refused(trouble)),
    }
}

fn is_denied(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
}

async fn not_granted<T>(session: &Session) -> Result<T, PostgresError> {
    let row = session
        .row("SELECT current_user::text AS role", &[])
        .await
        .map_err(refused)?;
    Err(PostgresError::NotGranted {
        role: row.try_get("role").map_err(PostgresError::Refused)?,
        objects: "the schema twin".to_owned(),
    })
}

fn must_be_newest(found: i32) -> Result<(), PostgresError> {
    match found {
        NEWEST => Ok(()),
        found if found > NEWEST => Err(too_new(found)),
        found => Err(PostgresError::SchemaTooOld {
            found,
            needed: NEWEST,
        }),
    }
}

const fn too_new(found: i32) -> PostgresError {
    PostgresError::SchemaTooNew {
        found,
        known: NEWEST,
    }
}

/// Upgrades the tables from the version that was found to the newest.
async fn step(session: &Session, found: i32) -> Result<(), PostgresError> {
    let done = usize::try_from(found).unwrap_or(0);
    for step in STEPS.iter().skip(done) {
        session.batch(step).await.map_err(refused)?;
    }
    session
        .execute(
            "INSERT INTO twin.schema (version) VALUES ($1)
            ON CONFLICT (only_row) DO UPDATE SET version = excluded.version",
            &[&NEWEST],
        )
        .await
        .map_err(refused)?;
    Ok(())
}

async fn grant(session: &Session, name: &str) -> Result<(), PostgresError> {
    let role = format!("\"{}\"", name.replace('"', "\"\""));
    let tables = TABLES.map(|table| format!("twin.{table}")).join(", ");
    let grants = format!(
        "GRANT USAGE ON SCHEMA twin TO {role};
        GRANT SELECT ON twin.schema TO {role};
        GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {role};
        GRANT USAGE ON SEQUENCE twin.turns TO {role};"
    );
    session.batch(&grants).await.map_err(refused)?;
    // The server only warns if the role may not grant.
    must_be_granted(session, Some(name)).await
}

fn refused(trouble: Trouble) -> PostgresError {
    match trouble {
        Trouble::Statement(error) => PostgresError::Refused(error),
        Trouble::Connection(error) => error,
        _ => PostgresError::NoAnswer,
    }
}
