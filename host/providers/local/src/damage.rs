//! Damaged rows, which differ from what was stored: each is reported once, as a system error, and never served.

use rusqlite::named_params;
use twin_capabilities::{
    dead_letters::Letter,
    error_topic::{Severity, SystemError},
};
use twin_contract::{EventCode, Timestamp, registry::component};

use super::{
    Store, dead_letters, error_topic, records, seal::Checked, session::Session, writer::Need,
};

/// The kind of damaged row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Record,
    Letter,
}

impl Kind {
    /// Its name in the table `damage`.
    const fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Letter => "letter",
        }
    }
}

const NOTE: &str = "
    INSERT INTO damage (twin, kind, item, found_at_us) VALUES (:twin, :kind, :item, :now)
    ON CONFLICT (twin, kind, item) DO NOTHING";

const FORGET: &str = "DELETE FROM damage WHERE twin = :twin AND kind = :kind AND item = :item";

const RECORD_ROW: &str = "SELECT rowid, * FROM records WHERE rowid = :item";

const LETTER_ROW: &str = "SELECT * FROM dead_letters WHERE seq = :item";

/// Some of the letters that were found damaged, selected at random.
const NOTED_LETTERS: &str = "
    SELECT dead_letters.* FROM damage JOIN dead_letters ON seq = item
    WHERE damage.twin = :twin AND kind = 'letter' ORDER BY random() LIMIT 100";

/// All columns are read as bytes, because a damaged row may contain anything.
const RECORD: &str = "
    SELECT CAST(id AS BLOB), CAST(device_id AS BLOB), CAST(body AS BLOB), X''
    FROM records WHERE rowid = :item";

const LETTER: &str = "
    SELECT CAST(letter_id AS BLOB), CAST(id AS BLOB), CAST(envelope AS BLOB), CAST(peer AS BLOB)
    FROM dead_letters WHERE seq = :item";

impl Store {
    /// Reports damaged rows. If that fails, they are reported when they are next read.
    pub(super) async fn report(&self, kind: Kind, items: Vec<i64>) {
        if items.is_empty() {
            return;
        }
        let count = items.len();
        let reported = self
            .writer
            .run(Need::Little, move |session| {
                items
                    .into_iter()
                    .try_for_each(|item| report(session, kind, item))
            })
            .await;
        if let Err(failure) = reported {
            tracing::error!(?kind, count, ?failure, "damaged rows were not reported");
        }
    }
}

/// Checks the letters that were found damaged again: the read may have been wrong.
pub(super) fn check_letters_again(session: &Session<'_>) -> rusqlite::Result<()> {
    let checked: Vec<Option<i64>> = {
        let mut noted = session.connection.prepare_cached(NOTED_LETTERS)?;
        let rows = noted.query_map(named_params! { ":twin": session.twin() }, |row| {
            let whole = matches!(dead_letters::check_row(row)?, Checked::Whole(_));
            Ok(if whole { row.get("seq")? } else { None })
        })?;
        rows.collect::<Result<_, _>>()?
    };
    for item in checked.into_iter().flatten() {
        tracing::info!(item, "a letter that was found damaged is intact");
        forget(session, Kind::Letter, item)?;
    }
    Ok(())
}

/// Whether a row exists and is damaged, according to the connection that writes.
fn is_damaged(session: &Session<'_>, kind: Kind, item: i64) -> rusqlite::Result<bool> {
    let item = named_params! { ":item": item };
    let damaged = match kind {
        Kind::Record => session.find(RECORD_ROW, item, |row| {
            Ok(matches!(records::check_row(row)?, Checked::Damaged(_)))
        }),
        Kind::Letter => session.find(LETTER_ROW, item, |row| {
            Ok(matches!(dead_letters::check_row(row)?, Checked::Damaged(_)))
        }),
    };
    Ok(damaged?.unwrap_or(false))
}

/// The readable content of a damaged row. Bytes that are not UTF-8 become replacement characters.
struct Remains {
    /// A record's id, or a letter's.
    name: String,
    /// A record's device, or the id of a letter's message.
    subject: String,
    content: Vec<u8>,
    /// A letter's peer.
    peer: String,
}

fn remains(session: &Session<'_>, kind: Kind, item: i64) -> rusqlite::Result<Option<Remains>> {
    let select = match kind {
        Kind::Record => RECORD,
        Kind::Letter => LETTER,
    };
    session.find(select, named_params! { ":item": item }, |row| {
        let text = |column| -> rusqlite::Result<String> {
            let bytes: Vec<u8> = row.get(column)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Remains {
            name: text(0)?,
            subject: text(1)?,
            content: row.get(2)?,
            peer: text(3)?,
        })
    })
}

/// The readable content of a damaged letter, without its history.
pub(super) fn remains_of_letter(
    session: &Session<'_>,
    seq: i64,
) -> rusqlite::Result<Option<Letter>> {
    let left = remains(session, Kind::Letter, seq)?;
    Ok(left.map(|left| Letter {
        letter_id: left.name,
        id: left.subject,
        peer: left.peer,
        trace_id: None,
        envelope: left.content,
        attempts: Vec::new(),
        first_failure_at: 0,
        last_failure_at: 0,
    }))
}

fn report(session: &Session<'_>, kind: Kind, item: i64) -> rusqlite::Result<()> {
    // Another connection found it damaged. A single failed read must not exclude a letter from replay.
    if !is_damaged(session, kind, item)? {
        tracing::info!(
            kind = kind.name(),
            item,
            "a row that was read as damaged is intact or gone"
        );
        return forget(session, kind, item);
    }
    // A command that only reads the data does not know the cloud. The host reports the row when it reads it.
    let Some(cloud) = session.database.settings.cloud else {
        tracing::error!(kind = kind.name(), item, "found a damaged row");
        return Ok(());
    };
    let twin = session.twin();
    let noted = session.execute(
        NOTE,
        named_params! { ":twin": twin, ":kind": kind.name(), ":item": item, ":now": session.now() },
    )?;
    if noted == 0 {
        return Ok(());
    }
    let Some(left) = remains(session, kind, item)? else {
        return Ok(());
    };
    let (name, subject) = (&left.name, &left.subject);
    let (component, code, message) = match kind {
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
    let error_code = code.as_str();
    tracing::error!(error_code, item, message, "found a damaged row");
    let error = SystemError {
        twin_id: twin.to_owned(),
        cloud_provider: cloud.as_str().to_owned(),
        severity: Severity::Critical,
        component: component.to_owned(),
        error_code: error_code.to_owned(),
        message: format!("{message}: it is not served; restore it from a backup"),
        timestamp: Timestamp::from_micros(session.now()).to_string(),
        raw_data: twin_contract::SystemError::raw_data(&left.content),
    };
    error_topic::publish(session, &error)
}

/// Forgets that a row was damaged, because it was removed or replaced.
pub(super) fn forget(session: &Session<'_>, kind: Kind, item: i64) -> rusqlite::Result<()> {
    session.execute(
        FORGET,
        named_params! { ":twin": session.twin(), ":kind": kind.name(), ":item": item },
    )?;
    Ok(())
}
