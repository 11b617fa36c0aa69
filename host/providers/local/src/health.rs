//! Whether the data folder can be written and read.

use std::time::Instant;

use async_trait::async_trait;
use rusqlite::named_params;
use twin_capabilities::{Health, types::Failure};

use super::{Store, writer::Need};

const CHECK: &str = "
    INSERT INTO health (twin, checked_at_us, ballast) VALUES (:twin, :now, zeroblob(:ballast))
    ON CONFLICT (twin) DO UPDATE SET checked_at_us = excluded.checked_at_us, ballast = excluded.ballast";

/// Reads a row of each table that requests read.
const LOOK: &str = "
    SELECT (SELECT max(length(id)) FROM (SELECT id FROM records ORDER BY rowid DESC LIMIT 1)),
        (SELECT max(length(id)) FROM (SELECT id FROM dead_letters ORDER BY seq DESC LIMIT 1)),
        (SELECT count(*) FROM circuits)";

/// How many bytes are written to find out whether there is room again: the size of the largest message.
const BALLAST: u32 = 256 * 1024;

#[async_trait]
impl Health for Store {
    async fn check(&self) -> Result<(), Failure> {
        // A small write succeeds even on a disk that has no room for a message.
        let ballast = if self.writer.is_short_of_room() {
            BALLAST
        } else {
            0
        };
        self.writer
            .run(Need::Room, move |session| {
                session.execute(
                    CHECK,
                    named_params! {
                        ":twin": session.twin(), ":now": session.now(), ":ballast": ballast,
                    },
                )
            })
            .await?;
        self.readers
            .run(|session| session.row(LOOK, [], |_| Ok(())))
            .await?;
        self.readers.healthy(Instant::now())
    }
}
