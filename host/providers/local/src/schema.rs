//! The tables, and the upgrade of a database to their newest version.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

/// The step from each version to the next; the first one creates the tables.
const STEPS: [&str; 2] = [include_str!("schema_1.sql"), include_str!("schema_2.sql")];

/// The newest schema version: the number of steps.
pub(super) const NEWEST: u32 = STEPS.len() as u32;

/// The first version in which a database has an id.
const WITH_ID: u32 = 2;

/// Upgrades a database to the newest version.
pub(super) fn upgrade(connection: &mut Connection) -> rusqlite::Result<()> {
    let found = version(connection)?;
    if found >= NEWEST {
        return Ok(());
    }
    let upgrade = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in STEPS.iter().skip(found as usize) {
        upgrade.execute_batch(step)?;
    }
    upgrade.pragma_update(None, "user_version", NEWEST)?;
    upgrade.commit()
}

/// The version of a database; 0 if it has no tables yet.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// The id of a database: created with its tables, the same in its copies. `None` before version 2.
pub(super) fn id(connection: &Connection) -> rusqlite::Result<Option<String>> {
    if version(connection)? < WITH_ID {
        return Ok(None);
    }
    connection
        .query_row("SELECT id FROM store", [], |row| row.get(0))
        .optional()
}
