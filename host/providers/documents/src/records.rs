//! The interface `records`: a record is a document whose address is its identity.

use std::{collections::HashMap, num::NonZeroU32};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use twin_capabilities::{
    Failure, Records,
    provider::{Fill, MAX_RECORDS, later, span},
    records::{Entry, Outcome, Page, Selection, StoredEntry},
};
use twin_contract::{Order, registry::collection::SYSTEM_ERRORS};

use crate::{
    document::{Address, Created, Document, Fields, Index, Missing, Range, Table, Value},
    documents::Documents,
    merge::Merge,
    names,
    store::{DocumentStore, Inner, unreadable},
};

/// How many entries of one call are written at the same time.
const AT_ONCE: usize = 16;

#[async_trait]
impl<D: Documents> Records for DocumentStore<D> {
    async fn put(&self, collection: String, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>> {
        self.to_the_end(|inner| async move { inner.put(&collection, entries).await })
            .await
    }

    async fn query(&self, collection: String, selection: Selection) -> Result<Page, Failure> {
        self.inner.query(&collection, &selection).await
    }
}

impl<D: Documents> Inner<D> {
    async fn put(&self, collection: &str, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>> {
        // Entries of one identity are written one after the other, in their order; all others side by side.
        let mut groups: Vec<Vec<(usize, Entry)>> = Vec::new();
        let mut group_of = HashMap::new();
        for (number, entry) in entries.into_iter().enumerate() {
            let identity = (entry.device_id.clone(), entry.id.clone());
            let group = *group_of.entry(identity).or_insert(groups.len());
            match groups.get_mut(group) {
                Some(group) => group.push((number, entry)),
                None => groups.push(vec![(number, entry)]),
            }
        }
        let groups = stream::iter(groups).map(async |group| {
            let mut outcomes = Vec::with_capacity(group.len());
            for (number, entry) in group {
                outcomes.push((number, self.put_one(collection, entry).await));
            }
            outcomes
        });
        let mut outcomes: Vec<_> = groups.buffer_unordered(AT_ONCE).concat().await;
        outcomes.sort_unstable_by_key(|(number, _)| *number);
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    async fn put_one(&self, collection: &str, entry: Entry) -> Result<Outcome, Failure> {
        let stored_at = (self.clock)();
        let digest = entry.digest.clone();
        let document = Document {
            address: self.address_of(collection, &entry.device_id, &entry.id),
            order: names::moment(entry.time, &entry.id),
            queue: None,
            expires_at: self.settings.record_age.map(|age| later(stored_at, age)),
            fields: Fields::default()
                .text("device_id", entry.device_id)
                .text("id", entry.id)
                .number("time", entry.time)
                .text("message_type", entry.message_type)
                .text("digest", entry.digest)
                .number("stored_at", stored_at)
                .with("body", Value::of(entry.body)),
        };
        if self.documents.is_too_large(&document) {
            return Err(Failure::TooLarge);
        }
        match self.documents.create(document).await? {
            Created::New => Ok(Outcome::Stored(stored_at)),
            Created::Exists(stored) => {
                let fields = &stored.document.fields;
                if fields.text_of("digest").map_err(unreadable)? == digest {
                    let since = fields.number_of("stored_at").map_err(unreadable)?;
                    Ok(Outcome::Duplicate(since))
                } else {
                    Ok(Outcome::Conflict)
                }
            }
        }
    }

    fn address_of(&self, collection: &str, device_id: &str, id: &str) -> Address {
        let shard = names::shard(id, self.settings.shards);
        names::address(
            table_of(collection),
            names::device(&self.twin, collection, device_id, shard),
            &[&self.twin, collection, device_id, id],
        )
    }

    async fn query(&self, collection: &str, selection: &Selection) -> Result<Page, Failure> {
        let Some(span) = span(selection) else {
            return Ok(Page {
                entries: Vec::new(),
                more: false,
            });
        };
        let ranges = shards(self.settings.shards).map(|shard| Range {
            table: table_of(collection),
            partition: names::device(&self.twin, collection, &selection.device_id, shard),
            index: Index::Order,
            from: place(&span.from),
            to: place(&span.to),
            descending: selection.order == Order::NewestFirst,
        });
        let limit = selection.limit.clamp(1, MAX_RECORDS);
        let mut found = Merge::of(&self.documents, ranges, limit);
        let mut page = Fill::new(limit);
        while let Some(stored) = found.next().await? {
            let entry = read(&stored.document.fields).map_err(unreadable)?;
            let bytes = entry.body.len();
            if !page.push(entry, bytes) {
                break;
            }
        }
        let (entries, more) = page.finish();
        Ok(Page { entries, more })
    }
}

fn table_of(collection: &str) -> Table {
    if collection == SYSTEM_ERRORS {
        Table::SystemErrors
    } else {
        Table::Messages
    }
}

fn shards(number: NonZeroU32) -> impl Iterator<Item = u32> {
    0..number.get()
}

/// A place of the contract as one of the index. Its ids end with a zero byte where the span begins after an id, and are the last
/// character where it is not bounded: neither is in an id, and not every service would accept them.
fn place((time, id): &twin_capabilities::provider::Place) -> String {
    match id.strip_suffix('\0') {
        Some(id) => names::after(names::moment(*time, id)),
        None if id.starts_with(char::MAX) => names::moment(*time, "~"),
        None => names::moment(*time, id),
    }
}

fn read(fields: &Fields) -> Result<StoredEntry, Missing> {
    Ok(StoredEntry {
        time: fields.number_of("time")?,
        id: fields.text_of("id")?.to_owned(),
        body: fields.bytes_of("body")?.to_vec(),
        stored_at: fields.number_of("stored_at")?,
    })
}
