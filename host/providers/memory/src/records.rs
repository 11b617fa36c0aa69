//! The interface `records` in memory: two maps for each device, one for identity and one for order.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use twin_capabilities::{
    Records,
    provider::{MAX_RECORDS, Place, Span, fill, span},
    records::{Entry, Order, Outcome, Page, Selection, StoredEntry},
    types::{Failure, Instant},
};

use super::Store;

/// Devices by collection and device id.
pub(super) type Collections = HashMap<String, HashMap<String, Device>>;

/// The records of one device.
#[derive(Default)]
pub(super) struct Device {
    by_id: HashMap<String, Seen>,
    by_place: BTreeMap<Place, StoredEntry>,
}

struct Seen {
    digest: String,
    stored_at: Instant,
}

#[async_trait]
impl Records for Store {
    async fn put(&self, collection: String, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>> {
        let mut collections = match self.records.open() {
            Ok(collections) => collections,
            Err(failure) => return vec![Err(failure); entries.len()],
        };
        let devices = collections.entry(collection).or_default();
        let now = (self.clock)();
        entries
            .into_iter()
            .map(|entry| {
                let device = devices.entry(entry.device_id.clone()).or_default();
                Ok(device.put(entry, now))
            })
            .collect()
    }

    async fn query(&self, collection: String, selection: Selection) -> Result<Page, Failure> {
        let collections = self.records.open()?;
        let device = collections
            .get(&collection)
            .and_then(|devices| devices.get(&selection.device_id));
        Ok(match (device, span(&selection)) {
            (Some(device), Some(span)) => device.query(&selection, span)?,
            _ => Page {
                entries: Vec::new(),
                more: false,
            },
        })
    }
}

impl Device {
    fn put(&mut self, entry: Entry, now: Instant) -> Outcome {
        if let Some(seen) = self.by_id.get(&entry.id) {
            return if seen.digest == entry.digest {
                Outcome::Duplicate(seen.stored_at)
            } else {
                Outcome::Conflict
            };
        }
        self.by_id.insert(
            entry.id.clone(),
            Seen {
                digest: entry.digest,
                stored_at: now,
            },
        );
        self.by_place.insert(
            (entry.time, entry.id.clone()),
            StoredEntry {
                time: entry.time,
                id: entry.id,
                body: entry.body,
                stored_at: now,
            },
        );
        Outcome::Stored(now)
    }

    fn query(&self, selection: &Selection, span: Span) -> Result<Page, Failure> {
        let limit = selection.limit.clamp(1, MAX_RECORDS);
        let places = self.by_place.range(span.from..span.to);
        let entries = places.map(|(_, entry)| Ok::<_, Failure>(entry.clone()));
        let (entries, more) = match selection.order {
            Order::OldestFirst => fill(entries, limit, |entry| entry.body.len()),
            Order::NewestFirst => fill(entries.rev(), limit, |entry| entry.body.len()),
        }?;
        Ok(Page { entries, more })
    }
}
