//! The twins that have data in a folder.

use rusqlite::Connection;

/// Steps through the index from one name to the next, however many rows each twin has.
const LIST: &str = "
    WITH RECURSIVE
        of_records (twin) AS (
            SELECT min(twin) FROM records
            UNION ALL
            SELECT (SELECT min(records.twin) FROM records WHERE records.twin > of_records.twin)
            FROM of_records WHERE twin IS NOT NULL
        ),
        of_letters (twin) AS (
            SELECT min(twin) FROM dead_letters
            UNION ALL
            SELECT (SELECT min(dead_letters.twin) FROM dead_letters WHERE dead_letters.twin > of_letters.twin)
            FROM of_letters WHERE twin IS NOT NULL
        )
    SELECT twin FROM of_records WHERE twin IS NOT NULL
    UNION
    SELECT twin FROM of_letters WHERE twin IS NOT NULL";

/// The names of the twins, in order.
pub(super) fn list(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare(LIST)?;
    let twins = statement.query_map([], |row| row.get(0))?;
    twins.collect()
}
