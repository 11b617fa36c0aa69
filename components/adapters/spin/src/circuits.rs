//! `circuits`: one row per name; the version in the WHERE clause is the comparison of compare-and-swap.

use spin_sdk::sqlite::Value;
use twin_adapter::{
    Failure,
    bindings::circuits::{Circuit, Guest, SwapFailure},
    clock,
};

use crate::{
    Adapter,
    database::{Database, text},
};

const LOAD: &str = "SELECT version, state FROM circuits WHERE twin = ?1 AND name = ?2";

const CREATE: &str = "
    INSERT INTO circuits (twin, name, version, state) VALUES (?1, ?2, 1, ?3)
    ON CONFLICT (twin, name) DO NOTHING RETURNING version";

const SWAP: &str = "
    UPDATE circuits SET version = version + 1, state = ?3
    WHERE twin = ?1 AND name = ?2 AND version = ?4 RETURNING version";

impl Guest for Adapter {
    async fn load(name: String) -> Result<Circuit, Failure> {
        load(&Database::open().await?, name).await
    }

    async fn compare_and_swap(
        name: String,
        expected_version: u64,
        state: String,
    ) -> Result<Circuit, SwapFailure> {
        let swapped = swap(name, expected_version, state).await;
        match swapped.map_err(SwapFailure::Store)? {
            (true, circuit) => Ok(circuit),
            (false, winner) => Err(SwapFailure::Conflict(winner)),
        }
    }
}

async fn load(database: &Database, name: String) -> Result<Circuit, Failure> {
    let row = database.first(LOAD, [text(name)]).await?;
    match row {
        Some(row) => Ok(circuit(row.get(0)?, row.text(1)?)),
        None => Ok(circuit(0, String::new())),
    }
}

/// Whether the swap was made, and what is stored now.
async fn swap(name: String, expected: u64, state: String) -> Result<(bool, Circuit), Failure> {
    let database = Database::open().await?;
    let mut parameters = vec![text(name.clone()), text(state.clone())];
    let row = match i64::try_from(expected) {
        Ok(0) => database.first(CREATE, parameters).await?,
        Ok(expected) => {
            parameters.push(Value::Integer(expected));
            database.first(SWAP, parameters).await?
        }
        // A version that no value can have.
        Err(_) => None,
    };
    match row {
        Some(row) => Ok((true, circuit(row.get(0)?, state))),
        None => Ok((false, load(&database, name).await?)),
    }
}

fn circuit(version: u64, state: String) -> Circuit {
    Circuit {
        version,
        state,
        now_ms: clock::millis(clock::now()),
    }
}
