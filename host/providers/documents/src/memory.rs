//! A document database in memory: for tests of these stores.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use twin_capabilities::Failure;

use crate::{
    document::{Address, Batch, Created, Document, Index, Range, Stored, Table, Tag},
    documents::Documents,
};

/// A document database in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct InMemory {
    tables: Arc<Mutex<Tables>>,
    /// How many changes its indexes are late.
    late: usize,
}

/// What the database holds: the documents, and where each stands in its indexes.
#[derive(Clone, Debug, Default)]
struct Contents {
    documents: BTreeMap<Address, Stored>,
    places: BTreeMap<Place, Address>,
}

/// A place in an index: table, index, partition, and the document's place in it.
type Place = (Table, Index, String, String);

#[derive(Debug, Default)]
struct Tables {
    changes: u64,
    contents: Contents,
    /// What there was before each of the last changes, oldest first.
    before: Vec<Contents>,
}

impl Contents {
    fn remove(&mut self, address: &Address) {
        if let Some(stored) = self.documents.remove(address) {
            for place in places(&stored.document) {
                self.places.remove(&place);
            }
        }
    }

    fn insert(&mut self, stored: Stored) {
        self.remove(&stored.document.address);
        let address = &stored.document.address;
        for place in places(&stored.document) {
            self.places.insert(place, address.clone());
        }
        self.documents.insert(address.clone(), stored);
    }
}

fn places(document: &Document) -> impl Iterator<Item = Place> {
    let Address {
        table, partition, ..
    } = &document.address;
    let places = [Index::Order, Index::Queue].map(|index| {
        let place = document.place(index)?;
        Some((*table, index, partition.clone(), place.to_owned()))
    });
    places.into_iter().flatten()
}

impl InMemory {
    /// A database whose indexes show everything but the last `late` changes.
    #[must_use]
    pub fn late_by(late: usize) -> Self {
        Self {
            late,
            ..Self::default()
        }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, tables: &mut Tables, change: impl FnOnce(&mut Contents, Tag)) {
        tables.changes += 1;
        if self.late > 0 {
            tables.before.push(tables.contents.clone());
            if tables.before.len() > self.late {
                tables.before.remove(0);
            }
        }
        let tag = Tag(tables.changes.to_string());
        change(&mut tables.contents, tag);
    }

    fn found(&self, range: &Range, limit: u32) -> (Vec<Stored>, bool) {
        let tables = self.tables();
        let contents = tables.before.first().unwrap_or(&tables.contents);
        let end = |place: &str| {
            let partition = range.partition.clone();
            (range.table, range.index, partition, place.to_owned())
        };
        let within = contents.places.range(end(&range.from)..end(&range.to));
        let stored = |(_, address)| contents.documents.get(address).cloned();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let most = limit.saturating_add(1);
        let mut found: Vec<_> = if range.descending {
            within.rev().filter_map(stored).take(most).collect()
        } else {
            within.filter_map(stored).take(most).collect()
        };
        let more = found.len() > limit;
        found.truncate(limit);
        (found, more)
    }
}

#[async_trait]
impl Documents for InMemory {
    fn is_too_large(&self, _: &Document) -> bool {
        false
    }

    async fn create(&self, document: Document) -> Result<Created, Failure> {
        let mut tables = self.tables();
        if let Some(stored) = tables.contents.documents.get(&document.address) {
            return Ok(Created::Exists(stored.clone()));
        }
        self.change(&mut tables, |contents, tag| {
            contents.insert(Stored { document, tag });
        });
        Ok(Created::New)
    }

    async fn get(&self, address: &Address) -> Result<Option<Stored>, Failure> {
        Ok(self.tables().contents.documents.get(address).cloned())
    }

    async fn replace(&self, document: Document, tag: &Tag) -> Result<bool, Failure> {
        let mut tables = self.tables();
        let current = tables.contents.documents.get(&document.address);
        if current.is_none_or(|current| current.tag != *tag) {
            return Ok(false);
        }
        self.change(&mut tables, |contents, tag| {
            contents.insert(Stored { document, tag });
        });
        Ok(true)
    }

    async fn remove(&self, address: &Address, tag: &Tag) -> Result<bool, Failure> {
        let mut tables = self.tables();
        let current = tables.contents.documents.get(address);
        if current.is_none_or(|current| current.tag != *tag) {
            return Ok(false);
        }
        self.change(&mut tables, |contents, _| {
            contents.remove(address);
        });
        Ok(true)
    }

    async fn write(&self, document: Document) -> Result<(), Failure> {
        let mut tables = self.tables();
        self.change(&mut tables, |contents, tag| {
            contents.insert(Stored { document, tag });
        });
        Ok(())
    }

    async fn query(&self, range: &Range, limit: u32) -> Result<Batch, Failure> {
        let (documents, more) = self.found(range, limit.max(1));
        Ok(Batch { documents, more })
    }

    async fn count(&self, range: &Range, limit: u32) -> Result<u32, Failure> {
        let (documents, _) = self.found(range, limit);
        Ok(u32::try_from(documents.len()).unwrap_or(u32::MAX))
    }

    async fn look(&self, _: Table) -> Result<(), Failure> {
        Ok(())
    }
}
