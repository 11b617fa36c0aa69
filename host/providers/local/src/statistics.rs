//! The numbers of a data folder.

use async_trait::async_trait;
use rusqlite::named_params;
use twin_capabilities::{
    Statistics,
    health::{COUNTED, Numbers},
    provider::age,
    types::{Failure, Instant},
};

use super::{Store, session::Session, space::disk_free};

const LETTERS: &str = "
    SELECT count(*) FROM (SELECT 1 FROM dead_letters WHERE twin = :twin LIMIT :most)";

const OLDEST: &str =
    "SELECT stored_at_us FROM dead_letters WHERE twin = :twin ORDER BY seq LIMIT 1";

const OUTBOX: &str = "
    SELECT count(*) FROM (SELECT 1 FROM error_events WHERE twin = :twin LIMIT :most)";

const CIRCUITS: &str = "SELECT name, state FROM circuits WHERE twin = :twin";

#[async_trait]
impl Statistics for Store {
    async fn numbers(&self) -> Result<Numbers, Failure> {
        self.readers.run(numbers).await
    }
}

fn numbers(session: &Session<'_>) -> rusqlite::Result<Numbers> {
    let twin = session.twin();
    let count = |sql| {
        let parameters = named_params! { ":twin": twin, ":most": COUNTED };
        session.row(sql, parameters, |row| row.get(0))
    };
    let oldest: Option<Instant> =
        session.find(OLDEST, named_params! { ":twin": twin }, |row| row.get(0))?;
    let mut circuits = session.connection.prepare_cached(CIRCUITS)?;
    let circuits = circuits.query_map(named_params! { ":twin": twin }, |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(Numbers {
        dead_letters: Some(count(LETTERS)?),
        oldest_letter: Some(age(session.now(), oldest)),
        outbox: Some(count(OUTBOX)?),
        circuits: circuits.collect::<Result<_, _>>()?,
        disk_free: disk_free(session.database.folder()),
    })
}
