//! Rows that are not as they were stored: each is reported once, as a system error, and served never.

use rusqlite::named_params;
use twin_contract::Timestamp;

use super::{Store, error_topic, session::Session, writer::Need};
use crate::bindings::error_topic::{Severity, SystemError};

/// What is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Record,
    Letter,
}

impl Kind {
    /// As in the table `damage`.
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

/// Read as bytes, since nothing in a damaged row need be what it was.
const RECORD: &str = "
    SELECT CAST(id AS BLOB), CAST(device_id AS BLOB), CAST(body AS BLOB), X''
    FROM records WHERE rowid = :item";

const LETTER: &str = "
    SELECT CAST(letter_id AS BLOB), CAST(id AS BLOB), CAST(envelope AS BLOB), CAST(peer AS BLOB)
    FROM dead_letters WHERE seq = :item";

impl Store {
    /// Reports damaged rows. If that fails, it is tried again when they are met again.
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

fn report(session: &Session<'_>, kind: Kind, item: i64) -> rusqlite::Result<()> {
    // A command that only looks at the data does not know the cloud: the host reports the row when it meets it.
    let Some(cloud) = session.database.settings.cloud else {
        tracing::error!(kind = kind.name(), item, "a damaged row was met");
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
    let select = match kind {
        Kind::Record => RECORD,
        Kind::Letter => LETTER,
    };
    let row = session.find(select, named_params! { ":item": item }, |row| {
        let text = |column| -> rusqlite::Result<String> {
            let bytes: Vec<u8> = row.get(column)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok((text(0)?, text(1)?, row.get::<_, Vec<u8>>(2)?, text(3)?))
    })?;
    let Some((first, second, bytes, peer)) = row else {
        // It was removed meanwhile.
        return Ok(());
    };
    let (component, error_code, message) = match kind {
        Kind::Record => (
            "L3-Reader",
            "RECORD_DAMAGED",
            format!("the record {first:?} of the device {second:?} is not as it was stored"),
        ),
        Kind::Letter => (
            connector_before(&peer),
            "LETTER_DAMAGED",
            format!("the dead letter {first:?} of the message {second:?} is not as it was stored"),
        ),
    };
    tracing::error!(error_code, item, message, "a damaged row was met");
    let error = SystemError {
        twin_id: twin.to_owned(),
        cloud_provider: cloud.as_str().to_owned(),
        severity: Severity::Critical,
        component: component.to_owned(),
        error_code: error_code.to_owned(),
        message: format!("{message}: it is not served; restore it from a backup"),
        timestamp: Timestamp::from_micros(session.now()).to_string(),
        raw_data: twin_contract::SystemError::raw_data(&bytes),
    };
    error_topic::publish(session, &error)
}

/// A row that may have been damaged is gone, or whole again.
pub(super) fn forget(session: &Session<'_>, kind: Kind, item: i64) -> rusqlite::Result<()> {
    session.execute(
        FORGET,
        named_params! { ":twin": session.twin(), ":kind": kind.name(), ":item": item },
    )?;
    Ok(())
}

/// The connector that sends to a peer: it stands one layer before the peer.
pub(super) fn connector_before(peer: &str) -> &'static str {
    match peer {
        "ingestion" => "L1-Connector",
        _ => "L2-Connector",
    }
}
