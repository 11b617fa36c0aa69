//! Whether the data folder can be written.

use std::path::Path;

use async_trait::async_trait;
use rusqlite::named_params;

use super::Store;
use crate::{bindings::types::Failure, providers::Health};

const CHECK: &str = "
    INSERT INTO health (twin, checked_at_us) VALUES (:twin, :now)
    ON CONFLICT (twin) DO UPDATE SET checked_at_us = excluded.checked_at_us";

#[async_trait]
impl Health for Store {
    async fn check(&self) -> Result<(), Failure> {
        let there = self
            .writer
            .run(|session| {
                session.execute(
                    CHECK,
                    named_params! { ":twin": session.twin(), ":now": session.now() },
                )?;
                // SQLite goes on writing to a file that was removed under its hands.
                Ok(session
                    .connection
                    .path()
                    .is_some_and(|path| Path::new(path).exists()))
            })
            .await?;
        if there {
            Ok(())
        } else {
            Err(Failure::Unavailable("the database file is gone".to_owned()))
        }
    }
}
