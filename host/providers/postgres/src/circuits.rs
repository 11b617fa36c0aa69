//! `circuits` in PostgreSQL: one row per name.

use async_trait::async_trait;
use twin_capabilities::{
    Circuits, Failure,
    circuits::{Circuit, SwapFailure},
    provider::millis,
};

use crate::{Store, clock::now, connection::Session, error::Trouble, pool::Work, text::Text};

/// Returns one row even if the circuit does not exist, because the row also has the time.
const LOAD: &str = concat!(
    "SELECT ",
    now!(),
    " AS now_us, version, state FROM (VALUES (1)) AS one
    LEFT JOIN twin.circuits ON twin = $2 AND name = $3"
);

const CREATE: &str = concat!(
    "INSERT INTO twin.circuits (twin, name, version, state) VALUES ($2, $3, 1, $4)
    ON CONFLICT (twin, name) DO NOTHING RETURNING version, state, ",
    now!(),
    " AS now_us"
);

const SWAP: &str = concat!(
    "UPDATE twin.circuits SET version = version + 1, state = $4
    WHERE twin = $2 AND name = $3 AND version = $5 RETURNING version, state, ",
    now!(),
    " AS now_us"
);

#[async_trait]
impl Circuits for Store {
    async fn load(&self, name: String) -> Result<Circuit, Failure> {
        self.reads.again(Load { name }).await
    }

    async fn compare_and_swap(
        &self,
        name: String,
        expected_version: u64,
        state: String,
    ) -> Result<Circuit, SwapFailure> {
        let swap = Swap {
            name,
            expected_version,
            state,
        };
        match self.writes.once(swap).await? {
            (circuit, true) => Ok(circuit),
            (circuit, false) => Err(SwapFailure::Conflict(circuit)),
        }
    }
}

struct Load {
    name: String,
}

impl Work for Load {
    type Output = Circuit;

    async fn run(&self, session: &Session) -> Result<Circuit, Trouble> {
        load(session, &self.name).await
    }
}

async fn load(session: &Session, name: &str) -> Result<Circuit, Trouble> {
    let twin = Text::from(session.twin());
    let row = session
        .row(LOAD, &[&session.now(), &twin, &Text::from(name)])
        .await?;
    read(&row)
}

fn read(row: &tokio_postgres::Row) -> Result<Circuit, Trouble> {
    let version: Option<i64> = row.try_get("version")?;
    let state: Option<Text<'static>> = row.try_get("state")?;
    Ok(Circuit {
        version: version.unwrap_or(0).unsigned_abs(),
        state: state.map(|state| state.0.into_owned()).unwrap_or_default(),
        now_ms: millis(row.try_get("now_us")?),
    })
}

struct Swap {
    name: String,
    expected_version: u64,
    state: String,
}

impl Work for Swap {
    type Output = (Circuit, bool);

    async fn run(&self, session: &Session) -> Result<Self::Output, Trouble> {
        let (now, twin) = (session.now(), Text::from(session.twin()));
        let (name, state) = (Text::from(&self.name), Text::from(&self.state));
        let swapped = match i64::try_from(self.expected_version) {
            Ok(0) => session.find(CREATE, &[&now, &twin, &name, &state]).await?,
            Ok(expected) => {
                session
                    .find(SWAP, &[&now, &twin, &name, &state, &expected])
                    .await?
            }
            // No stored value has such a version.
            Err(_) => None,
        };
        match swapped {
            Some(row) => Ok((read(&row)?, true)),
            None => Ok((load(session, &self.name).await?, false)),
        }
    }
}
