//! Rows that differ from what was stored. Each is reported once, as a system error, and never served.

use tokio_postgres::Row;
use twin_capabilities::{
    dead_letters::Letter,
    error_topic::{Severity, SystemError},
};
use twin_contract::{EventCode, Timestamp, registry::component};

use crate::{
    Store, clock::now, connection::Session, dead_letters, error::Trouble, error_topic, pool::Work,
    records, seal::Checked, text::Text,
};

/// The kind of damaged row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Record,
    Letter,
}

impl Kind {
    /// The name used in the table `damage`.
    const fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Letter => "letter",
        }
    }
}

const NOTE: &str = concat!(
    "INSERT INTO twin.damage (twin, kind, item, found_at_us) VALUES ($2, $3, $4, ",
    now!(),
    ") ON CONFLICT (twin, kind, item) DO NOTHING RETURNING found_at_us"
);

const FORGET: &str = "DELETE FROM twin.damage WHERE twin = $1 AND kind = $2 AND item = $3";

const RECORD: &str = "
    SELECT device_id, id, time_us, body, stored_at_us, seal FROM twin.records
    WHERE twin = $1 AND collection = $2 AND device_id = $3 AND id = $4";

const LETTER: &str = "SELECT * FROM twin.dead_letters WHERE twin = $1 AND seq = $2";

/// Records that were found damaged.
const NOTED_RECORDS: &str = "
    SELECT item FROM twin.damage WHERE twin = $1 AND kind = 'record' ORDER BY random() LIMIT 1000";

/// Letters that were found damaged. If there are many, a random selection is checked each time.
const NOTED_LETTERS: &str = "
    SELECT letter.* FROM twin.damage
    JOIN twin.dead_letters AS letter
        ON letter.seq = CASE WHEN damage.kind = 'letter' THEN damage.item::bigint END
    WHERE damage.twin = $1 AND damage.kind = 'letter' ORDER BY random() LIMIT 100";

impl Store {
    /// Reports damaged rows. If that fails, it is tried again when they are next read.
    pub(crate) async fn report(&self, kind: Kind, items: Vec<String>) {
        if items.is_empty() {
            return;
        }
        let count = items.len();
        if let Err(failure) = self.writes.once(Report { kind, items }).await {
            tracing::error!(?kind, count, ?failure, "damaged rows were not reported");
        }
    }
}

/// Forgets a row that is gone or no longer damaged.
pub(crate) async fn forget(session: &Session, kind: Kind, item: &str) -> Result<(), Trouble> {
    let twin = Text::from(session.twin());
    session
        .execute(FORGET, &[&twin, &kind.name(), &Text::from(item)])
        .await?;
    Ok(())
}

/// Checks the letters that were found damaged again: the read may have been wrong, or the letter may have been repaired.
pub(crate) async fn check_letters_again(session: &Session) -> Result<(), Trouble> {
    let twin = Text::from(session.twin());
    for row in session.rows(NOTED_LETTERS, &[&twin]).await? {
        if let Checked::Whole(kept) = dead_letters::check_row(&row) {
            let item = kept.seq.to_string();
            tracing::info!(item, "a letter that was found damaged is as it was stored");
            forget(session, Kind::Letter, &item).await?;
        }
    }
    Ok(())
}

/// Forgets damaged records that have been removed, or that are no longer damaged.
pub(crate) async fn forget_removed_records(session: &Session) -> Result<(), Trouble> {
    let twin = Text::from(session.twin());
    for row in session.rows(NOTED_RECORDS, &[&twin]).await? {
        let item: Text<'static> = row.try_get("item")?;
        if damaged(session, Kind::Record, &item.0).await?.is_none() {
            forget(session, Kind::Record, &item.0).await?;
        }
    }
    Ok(())
}

struct Report {
    kind: Kind,
    items: Vec<String>,
}

impl Work for Report {
    type Output = ();

    async fn run(&self, session: &Session) -> Result<(), Trouble> {
        for item in &self.items {
            report(session, self.kind, item).await?;
        }
        Ok(())
    }
}

/// The readable content of a damaged row. Bytes that are not valid text are replaced.
pub(crate) struct Remains {
    /// A record's id, or a letter's name.
    name: String,
    /// A record's device, or the id of a letter's message.
    subject: String,
    content: Vec<u8>,
    /// The peer of a letter.
    peer: String,
}

impl Remains {
    fn of(row: &Row, [name, subject, content]: [&str; 3]) -> Self {
        Self {
            name: lossy(row, name),
            subject: lossy(row, subject),
            content: row
                .try_get::<_, Raw<'_>>(content)
                .map(|raw| raw.0.to_vec())
                .unwrap_or_default(),
            peer: lossy(row, "peer"),
        }
    }
}

/// The bytes of a value of any type.
pub(crate) struct Raw<'a>(pub(crate) &'a [u8]);

impl<'a> tokio_postgres::types::FromSql<'a> for Raw<'a> {
    fn from_sql(
        _: &tokio_postgres::types::Type,
        raw: &'a [u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &tokio_postgres::types::Type) -> bool {
        true
    }
}

/// The text of a column of a damaged row, whatever the column contains.
pub(crate) fn lossy(row: &Row, column: &str) -> String {
    if let Ok(text) = row.try_get::<_, Text<'static>>(column) {
        return text.0.into_owned();
    }
    let raw = row.try_get::<_, Raw<'_>>(column);
    raw.map(|raw| String::from_utf8_lossy(raw.0).into_owned())
        .unwrap_or_default()
}

/// The readable content of a damaged letter, without its history.
pub(crate) fn remains_of_letter(row: &Row) -> Letter {
    let left = Remains::of(row, ["letter_id", "id", "envelope"]);
    Letter {
        letter_id: left.name,
        id: left.subject,
        peer: left.peer,
        trace_id: None,
        envelope: left.content,
        attempts: Vec::new(),
        first_failure_at: 0,
        last_failure_at: 0,
    }
}

/// The readable content of a row, if it exists and is damaged.
async fn damaged(session: &Session, kind: Kind, item: &str) -> Result<Option<Remains>, Trouble> {
    let twin = Text::from(session.twin());
    match kind {
        Kind::Record => {
            let key: [String; 3] = serde_json::from_str(item)
                .map_err(|error| Trouble::Unreadable(error.to_string()))?;
            let [collection, device, id] = &key;
            let [one, two, three] = [collection, device, id].map(Text::from);
            let row = session.find(RECORD, &[&twin, &one, &two, &three]).await?;
            Ok(
                row.and_then(|row| match records::check_row(collection, &row) {
                    Checked::Damaged(_) => Some(Remains::of(&row, ["id", "device_id", "body"])),
                    Checked::Whole(_) => None,
                }),
            )
        }
        Kind::Letter => {
            let seq: i64 = item
                .parse()
                .map_err(|_| Trouble::Unreadable(item.to_owned()))?;
            let row = session.find(LETTER, &[&twin, &seq]).await?;
            Ok(row.and_then(|row| match dead_letters::check_row(&row) {
                Checked::Damaged(_) => Some(Remains::of(&row, ["letter_id", "id", "envelope"])),
                Checked::Whole(_) => None,
            }))
        }
    }
}

async fn report(session: &Session, kind: Kind, item: &str) -> Result<(), Trouble> {
    // Reads the row again: a single wrong read must not exclude a letter from replay.
    let Some(left) = damaged(session, kind, item).await? else {
        tracing::info!(
            kind = kind.name(),
            item,
            "what was read as damaged is as it was stored, or gone"
        );
        return forget(session, kind, item).await;
    };
    // A command that only reads the data does not know the cloud. A host reports the row when it reads it.
    let Some(cloud) = session.home.settings.cloud else {
        tracing::error!(kind = kind.name(), item, "a damaged row was met");
        return Ok(());
    };
    let twin = Text::from(session.twin());
    // The note and the event are stored together, or neither.
    session.begin().await?;
    let noted = session
        .find(
            NOTE,
            &[&session.now(), &twin, &kind.name(), &Text::from(item)],
        )
        .await?;
    if let Some(noted) = noted {
        let now = Timestamp::from_micros(noted.try_get(0)?).to_string();
        let error = told(session.twin(), cloud.as_str(), kind, &left, now);
        tracing::error!(
            error_code = error.error_code,
            item,
            message = error.message,
            "a damaged row was met"
        );
        error_topic::publish(session, error).await?;
    }
    session.commit().await
}

fn told(twin: &str, cloud: &str, kind: Kind, left: &Remains, timestamp: String) -> SystemError {
    let (name, subject) = (&left.name, &left.subject);
    let (component, error_code, message) = match kind {
        Kind::Record => (
            component::READER,
            EventCode::RecordDamaged,
            format!("the record {name:?} of the device {subject:?} is not as it was stored"),
        ),
        Kind::Letter => (
            component::connector_of(&left.peer),
            EventCode::LetterDamaged,
            format!("the dead letter {name:?} of the message {subject:?} is not as it was stored"),
        ),
    };
    SystemError {
        twin_id: twin.to_owned(),
        cloud_provider: cloud.to_owned(),
        severity: Severity::Critical,
        component: component.to_owned(),
        error_code: error_code.as_str().to_owned(),
        message: format!("{message}: it is not served; restore it from a backup"),
        timestamp,
        raw_data: SystemError::raw_data(&left.content),
    }
}
