//! The adapter's tables equal those of the native host, as far as the adapter uses them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use rusqlite::Connection;

/// The tables that both have.
const SHARED: [&str; 3] = ["records", "dead_letters", "circuits"];

/// Only the native host can check a row against its digest.
const HOST_ONLY: &str = "seal";

fn database(files: &[&str]) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    for file in files {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
        connection
            .execute_batch(&fs::read_to_string(path).unwrap())
            .unwrap();
    }
    connection
}

/// The columns of a table by name: type, NOT NULL, default, position in the primary key.
fn columns(database: &Connection, table: &str) -> BTreeMap<String, String> {
    let mut columns = database
        .prepare("SELECT name, type || ' ' || \"notnull\" || ' ' || coalesce(dflt_value, '') || ' ' || pk FROM pragma_table_info(?1)")
        .unwrap();
    let rows = columns.query_map([table], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}

/// The indices of a table, each with its columns.
fn indices(database: &Connection, table: &str) -> BTreeSet<String> {
    let mut indices = database
        .prepare(
            "SELECT list.name || ' ' || list.\"unique\" || ' ' || group_concat(info.name)
             FROM pragma_index_list(?1) AS list, pragma_index_info(list.name) AS info GROUP BY list.name",
        )
        .unwrap();
    let rows = indices.query_map([table], |row| row.get(0));
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn the_tables_of_the_adapter_are_those_of_the_native_host() {
    let host = database(&[
        "host/providers/local/src/schema_1.sql",
        "host/providers/local/src/schema_2.sql",
    ]);
    let spin = database(&["components/adapters/spin/src/schema.sql"]);
    for table in SHARED {
        let mut expected = columns(&host, table);
        assert!(!expected.is_empty(), "{table}");
        expected.remove(HOST_ONLY);
        assert_eq!(columns(&spin, table), expected, "{table}");

        // The adapter creates the index on a later column only when the column exists.
        let mut expected = indices(&host, table);
        expected.retain(|index| !index.starts_with("dead_letters_by_turn "));
        assert_eq!(indices(&spin, table), expected, "{table}");
    }
}
