//! The amount of data in the database.

use async_trait::async_trait;
use twin_capabilities::{
    Failure, Statistics,
    health::{COUNTED, Numbers},
    provider::age,
};

use crate::{Store, clock::now, connection::Session, error::Trouble, pool::Work, text::Text};

const COUNT: &str = concat!(
    "SELECT
        (SELECT count(*) FROM (SELECT 1 FROM twin.dead_letters WHERE twin = $2 LIMIT $3) AS counted)
            AS letters,
        (SELECT stored_at_us FROM twin.dead_letters WHERE twin = $2 ORDER BY seq LIMIT 1) AS oldest,
        (SELECT count(*) FROM (SELECT 1 FROM twin.error_events WHERE twin = $2 LIMIT $3) AS counted)
            AS events, ",
    now!(),
    " AS now_us"
);

const CIRCUITS: &str = "SELECT name, state FROM twin.circuits WHERE twin = $1";

#[async_trait]
impl Statistics for Store {
    async fn numbers(&self) -> Result<Numbers, Failure> {
        self.reads.again(Count).await
    }
}

struct Count;

impl Work for Count {
    type Output = Numbers;

    async fn run(&self, session: &Session) -> Result<Numbers, Trouble> {
        let twin = Text::from(session.twin());
        let counted = session
            .row(COUNT, &[&session.now(), &twin, &i64::from(COUNTED)])
            .await?;
        let number = |column| -> Result<u32, Trouble> {
            let number: i64 = counted.try_get(column)?;
            Ok(u32::try_from(number).unwrap_or(COUNTED))
        };
        let circuits = session.rows(CIRCUITS, &[&twin]).await?;
        let circuit = |row: &tokio_postgres::Row| -> Result<(String, String), Trouble> {
            let text = |column| row.try_get::<_, Text<'static>>(column);
            Ok((text("name")?.0.into_owned(), text("state")?.0.into_owned()))
        };
        Ok(Numbers {
            dead_letters: Some(number("letters")?),
            oldest_letter: Some(age(counted.try_get("now_us")?, counted.try_get("oldest")?)),
            outbox: Some(number("events")?),
            circuits: circuits.iter().map(circuit).collect::<Result<_, _>>()?,
            // The server does not report the free space of its disk.
            disk_free: None,
        })
    }
}
