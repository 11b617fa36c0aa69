//! The interface `circuits` in a data folder: one row for each name.

use async_trait::async_trait;
use rusqlite::{Row, named_params};
use twin_capabilities::{
    Circuits,
    circuits::{Circuit, SwapFailure},
    provider::millis,
    types::Failure,
};

use super::{Store, session::Session};

const LOAD: &str = "SELECT version, state FROM circuits WHERE twin = :twin AND name = :name";

const CREATE: &str = "
    INSERT INTO circuits (twin, name, version, state) VALUES (:twin, :name, 1, :state)
    ON CONFLICT (twin, name) DO NOTHING";

const SWAP: &str = "
    UPDATE circuits SET version = version + 1, state = :state
    WHERE twin = :twin AND name = :name AND version = :expected";

#[async_trait]
impl Circuits for Store {
    async fn load(&self, name: String) -> Result<Circuit, Failure> {
        self.readers.run(move |session| load(session, &name)).await
    }

    async fn compare_and_swap(
        &self,
        name: String,
        expected_version: u64,
        state: String,
    ) -> Result<Circuit, SwapFailure> {
        let (swapped, circuit) = self
            .writer
            .mark(move |session| {
                let swapped = swap(session, &name, expected_version, &state)?;
                Ok((swapped, load(session, &name)?))
            })
            .await
            .map_err(SwapFailure::Store)?;
        if swapped {
            Ok(circuit)
        } else {
            Err(SwapFailure::Conflict(circuit))
        }
    }
}

fn load(session: &Session<'_>, name: &str) -> rusqlite::Result<Circuit> {
    let now_ms = millis(session.now());
    let found = session.find(
        LOAD,
        named_params! { ":twin": session.twin(), ":name": name },
        |row: &Row<'_>| {
            Ok(Circuit {
                version: row.get::<_, i64>("version")?.unsigned_abs(),
                state: row.get("state")?,
                now_ms,
            })
        },
    )?;
    Ok(found.unwrap_or(Circuit {
        version: 0,
        state: String::new(),
        now_ms,
    }))
}

fn swap(
    session: &Session<'_>,
    name: &str,
    expected_version: u64,
    state: &str,
) -> rusqlite::Result<bool> {
    let twin = session.twin();
    let swapped = match i64::try_from(expected_version) {
        Ok(0) => session.execute(
            CREATE,
            named_params! { ":twin": twin, ":name": name, ":state": state },
        )?,
        Ok(expected) => session.execute(
            SWAP,
            named_params! { ":twin": twin, ":name": name, ":state": state, ":expected": expected },
        )?,
        // No stored value has such a version.
        Err(_) => 0,
    };
    Ok(swapped > 0)
}
