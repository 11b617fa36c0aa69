//! `records` in a folder: one file per record, with two names. The name made from its id determines which record was first;
//! the name made from its time gives the order.

use serde::{Deserialize, Serialize};
use twin_adapter::{
    Failure, Instant,
    bindings::records::{Entry, Guest, Order, Outcome, Page, Selection, StoredEntry},
    clock,
    records::{limit, span},
};
use twin_contract::{Fill, Place, Span, digest};

use crate::{Adapter, documents, folder::Folder, names};

/// The first line of a record's file; the body follows it.
#[derive(Serialize, Deserialize)]
struct Head {
    device_id: String,
    id: String,
    time_us: Instant,
    message_type: String,
    digest: String,
    stored_at_us: Instant,
}

impl Guest for Adapter {
    async fn put(collection: String, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>> {
        let folder = match Folder::open().await {
            Ok(folder) => folder,
            Err(failure) => return vec![Err(failure); entries.len()],
        };
        let mut results = Vec::with_capacity(entries.len());
        for entry in entries {
            let device = Device::of(&folder, &collection, &entry.device_id);
            results.push(device.put(entry).await);
        }
        results
    }

    async fn query(collection: String, selection: Selection) -> Result<Page, Failure> {
        let folder = Folder::open().await?;
        let mut page = Fill::new(limit(&selection));
        if let Some(span) = span(&selection) {
            let device = Device::of(&folder, &collection, &selection.device_id);
            device.fill(&mut page, &span, selection.order).await?;
        }
        let (entries, more) = page.finish();
        Ok(Page { entries, more })
    }
}

/// The folder of one device's records in one collection.
struct Device<'a> {
    folder: &'a Folder,
    by_id: String,
    by_time: String,
}

impl<'a> Device<'a> {
    fn of(folder: &'a Folder, collection: &str, device_id: &str) -> Self {
        let path = format!(
            "records/{}/{}",
            names::plain(collection),
            names::plain(device_id)
        );
        Self {
            folder,
            by_id: format!("{path}/by-id"),
            by_time: format!("{path}/by-time"),
        }
    }

    async fn put(&self, entry: Entry) -> Result<Outcome, Failure> {
        let name = digest(entry.id.as_bytes());
        let head = Head {
            device_id: entry.device_id,
            id: entry.id,
            time_us: entry.time,
            message_type: entry.message_type,
            digest: entry.digest,
            stored_at_us: clock::now(),
        };
        let content = documents::compose(&head, &entry.body)?;
        if self.folder.create(&self.by_id, &name, content).await? {
            self.order(&name, &head).await?;
            return Ok(Outcome::Stored(head.stored_at_us));
        }
        let before = self.folder.read(&self.by_id, &name).await?;
        let before: Head = documents::split(before.as_deref().unwrap_or_default())?.0;
        if before.digest != head.digest {
            return Ok(Outcome::Conflict);
        }
        // The process that created it may have been stopped before this.
        self.order(&name, &before).await?;
        Ok(Outcome::Duplicate(before.stored_at_us))
    }

    /// Gives a record its place in the order; it may already have it.
    async fn order(&self, name: &str, head: &Head) -> Result<(), Failure> {
        let folder = format!("{}/{}", self.by_time, names::day(head.time_us));
        let place = names::place(head.time_us, &head.id);
        let ordered = self.folder.link((&self.by_id, name), (&folder, &place));
        ordered.await.map(drop)
    }

    async fn fill(
        &self,
        page: &mut Fill<StoredEntry>,
        span: &Span,
        order: Order,
    ) -> Result<(), Failure> {
        let (first, last) = (names::day(span.from.0), names::day(span.to.0));
        let mut days = self.folder.list(&self.by_time).await?;
        days.retain(|day| (&first..=&last).contains(&day));
        if matches!(order, Order::NewestFirst) {
            days.reverse();
        }
        for day in days {
            let folder = format!("{}/{day}", self.by_time);
            for (name, place) in self.places(&folder, span, order).await? {
                if page.is_full() {
                    page.stop();
                    return Ok(());
                }
                let content = self.folder.read(&folder, &name).await?;
                let (head, body): (Head, _) =
                    documents::split(content.as_deref().unwrap_or_default())?;
                let bytes = body.len();
                let entry = StoredEntry {
                    time: place.0,
                    id: place.1,
                    body: body.to_vec(),
                    stored_at: head.stored_at_us,
                };
                if !page.push(entry, bytes) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The files of a day that are within a span, in order.
    async fn places(
        &self,
        folder: &str,
        span: &Span,
        order: Order,
    ) -> Result<Vec<(String, Place)>, Failure> {
        let names = self.folder.list(folder).await?.into_iter();
        let mut places: Vec<_> = names
            .filter_map(|name| names::read_place(&name).map(|place| (name, place)))
            .filter(|(_, place)| span.contains(place))
            .collect();
        places.sort_unstable_by(|(_, one), (_, other)| one.cmp(other));
        if matches!(order, Order::NewestFirst) {
            places.reverse();
        }
        Ok(places)
    }
}
