//! Whether the database can be written and read.

use async_trait::async_trait;
use twin_capabilities::{Failure, Health};

use crate::{Store, clock::now, connection::Session, error::Trouble, pool::Work, text::Text};

const CHECK: &str = concat!(
    "INSERT INTO twin.health (twin, checked_at_us) VALUES ($2, ",
    now!(),
    ") ON CONFLICT (twin) DO UPDATE SET checked_at_us = excluded.checked_at_us"
);

/// A row of each table that requests read.
const LOOK: &str = "
    SELECT (SELECT octet_length(id) FROM twin.records WHERE twin = $1 LIMIT 1),
        (SELECT octet_length(id) FROM twin.dead_letters WHERE twin = $1 LIMIT 1),
        (SELECT octet_length(name) FROM twin.circuits WHERE twin = $1 LIMIT 1)";

#[async_trait]
impl Health for Store {
    async fn check(&self) -> Result<(), Failure> {
        self.writes.again(Check).await?;
        self.reads.again(Look).await
    }
}

struct Check;

impl Work for Check {
    type Output = ();

    async fn run(&self, session: &Session) -> Result<(), Trouble> {
        session
            .execute(CHECK, &[&session.now(), &Text::from(session.twin())])
            .await?;
        Ok(())
    }
}

struct Look;

impl Work for Look {
    type Output = ();

    async fn run(&self, session: &Session) -> Result<(), Trouble> {
        session.row(LOOK, &[&Text::from(session.twin())]).await?;
        Ok(())
    }
}
