//! The tables, and how a database gets those of the newest version.

use rusqlite::{Connection, TransactionBehavior};

/// What it takes to get to each version from the one before; the first step starts from nothing.
const STEPS: [&str; 2] = [include_str!("schema_1.sql"), include_str!("schema_2.sql")];

/// The newest schema version: the number of steps.
pub(super) const NEWEST: u32 = STEPS.len() as u32;

/// Brings a database to the newest version, and returns the version that it then has: a higher one, if it had that.
pub(super) fn upgrade(connection: &mut Connection) -> rusqlite::Result<u32> {
    let found = connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))?;
    if found < NEWEST {
        let upgrade = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for step in STEPS.iter().skip(found as usize) {
            upgrade.execute_batch(step)?;
        }
        upgrade.pragma_update(None, "user_version", NEWEST)?;
        upgrade.commit()?;
    }
    Ok(found.max(NEWEST))
}
