//! Storing records: new ones are inserted; existing ones are compared.

use std::collections::{HashMap, hash_map::Entry as Slot};

use tokio_postgres::Row;
use twin_capabilities::{
    Instant,
    provider::seal,
    records::{Entry, Outcome},
};

use crate::{
    batch::Batched,
    clock::now,
    connection::Session,
    damage::{self, Kind},
    error::Trouble,
    records::{check_row, parts},
    seal::Checked,
    text::Text,
};

/// New entries are stored in the order of their keys, so two batches with common keys can wait for each other, but cannot
/// deadlock.
const INSERT: &str = concat!(
    "INSERT INTO twin.records
        (twin, collection, device_id, id, time_us, message_type, digest, body, seal, stored_at_us)
    SELECT $2, entry.*, ",
    now!(),
    " FROM unnest($3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[],
        $9::bytea[], $10::bytea[]) AS entry
    ON CONFLICT (twin, collection, device_id, id) DO NOTHING
    RETURNING collection, device_id, id, stored_at_us"
);

/// The records that already exist. This is a separate statement, because the inserting one does not see what others stored
/// while it waited for them. It takes a lock, because a lock is written: the commit is then acknowledged only when all
/// earlier commits, including that of the found row, are where they must be (on the disk and on the synchronous standby).
const FIND: &str = "
    SELECT record.collection, record.device_id, record.id, record.time_us, record.body, record.seal,
        record.digest, record.stored_at_us
    FROM twin.records AS record
    JOIN unnest($2::text[], $3::text[], $4::text[]) AS wanted (collection, device_id, id)
        USING (collection, device_id, id)
    WHERE record.twin = $1
    ORDER BY record.collection, record.device_id, record.id
    FOR NO KEY UPDATE OF record";

const REPAIR: &str = "
    UPDATE twin.records SET time_us = $5, message_type = $6, body = $7, seal = $8
    WHERE twin = $1 AND collection = $2 AND device_id = $3 AND id = $4";
/// An entry to be stored.
#[derive(Debug)]
pub(crate) struct Put {
    collection: String,
    entry: Entry,
    seal: Vec<u8>,
}

/// The key of a record within a twin.
type Key<'a> = (&'a str, &'a str, &'a str);

/// What is known about a stored record with an entry's key.
struct Known {
    stored_at: Instant,
    digest: String,
}

impl Put {
    pub(crate) fn new(collection: &str, entry: Entry) -> Self {
        Self {
            collection: collection.to_owned(),
            seal: seal(parts(&entry.time.to_le_bytes(), &entry.id, &entry.body)),
            entry,
        }
    }

    fn key(&self) -> Key<'_> {
        (&self.collection, &self.entry.device_id, &self.entry.id)
    }
}

impl Batched for Put {
    type Outcome = Outcome;

    fn bytes(&self) -> usize {
        // A row takes about this much in addition to its body.
        self.entry.body.len() + 300
    }

    async fn write(puts: &[Self], session: &Session) -> Result<Vec<Outcome>, Trouble> {
        // Of several entries with one key, the first is the one that can be stored.
        let mut firsts: HashMap<Key<'_>, usize> = HashMap::with_capacity(puts.len());
        for (index, put) in puts.iter().enumerate() {
            firsts.entry(put.key()).or_insert(index);
        }
        let mut wanted: Vec<&Self> = firsts
            .values()
            .filter_map(|index| puts.get(*index))
            .collect();
        wanted.sort_unstable_by_key(|put| put.key());

        let mut stored = HashMap::new();
        let mut found = HashMap::new();
        // An entry that is neither new nor found was removed in between; then it is new.
        for _ in 0..3 {
            insert(session, &wanted, &mut stored).await?;
            wanted.retain(|put| !stored.contains_key(&owned(put.key())));
            if !wanted.is_empty() {
                find(session, &wanted, &mut found).await?;
                wanted.retain(|put| !found.contains_key(&owned(put.key())));
            }
            if wanted.is_empty() {
                let outcomes = puts.iter().enumerate().map(|(index, put)| {
                    let is_first = firsts.get(&put.key()) == Some(&index);
                    outcome(put, is_first, puts, &firsts, &stored, &found)
                });
                return outcomes.collect();
            }
        }
        Err(Trouble::Elusive)
    }
}

type OwnedKey = (String, String, String);

fn owned((collection, device_id, id): Key<'_>) -> OwnedKey {
    (collection.to_owned(), device_id.to_owned(), id.to_owned())
}

fn outcome(
    put: &Put,
    is_first: bool,
    puts: &[Put],
    firsts: &HashMap<Key<'_>, usize>,
    stored: &HashMap<OwnedKey, Instant>,
    found: &HashMap<OwnedKey, Known>,
) -> Result<Outcome, Trouble> {
    let key = owned(put.key());
    let same = |digest: &str, stored_at| {
        if digest == put.entry.digest {
            Outcome::Duplicate(stored_at)
        } else {
            Outcome::Conflict
        }
    };
    if let Some(known) = found.get(&key) {
        return Ok(same(&known.digest, known.stored_at));
    }
    let stored_at = *stored.get(&key).ok_or(Trouble::Elusive)?;
    if is_first {
        return Ok(Outcome::Stored(stored_at));
    }
    let first = firsts.get(&put.key()).and_then(|index| puts.get(*index));
    Ok(same(
        &first.ok_or(Trouble::Elusive)?.entry.digest,
        stored_at,
    ))
}

/// The keys of some entries, as arrays.
fn keys<'a>(puts: &[&'a Put]) -> [Vec<Text<'a>>; 3] {
    [
        puts.iter().map(|put| Text::from(&put.collection)).collect(),
        puts.iter()
            .map(|put| Text::from(&put.entry.device_id))
            .collect(),
        puts.iter().map(|put| Text::from(&put.entry.id)).collect(),
    ]
}

fn read_key(row: &Row) -> Result<OwnedKey, Trouble> {
    let text = |column| -> Result<String, Trouble> {
        Ok(row.try_get::<_, Text<'static>>(column)?.0.into_owned())
    };
    Ok((text("collection")?, text("device_id")?, text("id")?))
}

async fn insert(
    session: &Session,
    puts: &[&Put],
    stored: &mut HashMap<OwnedKey, Instant>,
) -> Result<(), Trouble> {
    let [collections, devices, ids] = keys(puts);
    let times: Vec<_> = puts.iter().map(|put| put.entry.time).collect();
    let types: Vec<_> = puts
        .iter()
        .map(|put| Text::from(&put.entry.message_type))
        .collect();
    let digests: Vec<_> = puts
        .iter()
        .map(|put| Text::from(&put.entry.digest))
        .collect();
    let bodies: Vec<_> = puts.iter().map(|put| put.entry.body.as_slice()).collect();
    let seals: Vec<_> = puts.iter().map(|put| put.seal.as_slice()).collect();
    let rows = session
        .rows(
            INSERT,
            &[
                &session.now(),
                &Text::from(session.twin()),
                &collections,
                &devices,
                &ids,
                &times,
                &types,
                &digests,
                &bodies,
                &seals,
            ],
        )
        .await?;
    for row in &rows {
        stored.insert(read_key(row)?, row.try_get("stored_at_us")?);
    }
    Ok(())
}

async fn find(
    session: &Session,
    puts: &[&Put],
    found: &mut HashMap<OwnedKey, Known>,
) -> Result<(), Trouble> {
    let twin = Text::from(session.twin());
    let [collections, devices, ids] = keys(puts);
    let rows = session
        .rows(FIND, &[&twin, &collections, &devices, &ids])
        .await?;
    let by_key: HashMap<_, _> = puts.iter().map(|put| (owned(put.key()), *put)).collect();
    for row in &rows {
        let key = read_key(row)?;
        let known = Known {
            stored_at: row.try_get("stored_at_us")?,
            digest: row.try_get::<_, Text<'static>>("digest")?.0.into_owned(),
        };
        if let Some(put) = by_key.get(&key)
            && known.digest == put.entry.digest
            && let Checked::Damaged(item) = check_row(&key.0, row)
        {
            repair(session, put, &item).await?;
        }
        if let Slot::Vacant(slot) = found.entry(key) {
            slot.insert(known);
        }
    }
    Ok(())
}

/// Replaces a damaged record with the same message: what was acknowledged must be stored.
async fn repair(session: &Session, put: &Put, item: &str) -> Result<(), Trouble> {
    let entry = &put.entry;
    let twin = Text::from(session.twin());
    session
        .execute(
            REPAIR,
            &[
                &twin,
                &Text::from(&put.collection),
                &Text::from(&entry.device_id),
                &Text::from(&entry.id),
                &entry.time,
                &Text::from(&entry.message_type),
                &entry.body,
                &put.seal,
            ],
        )
        .await?;
    damage::forget(session, Kind::Record, item).await
}
