//! Several ranges read as one: the documents of all shards of a device, in order.

use std::collections::VecDeque;

use futures_util::future::try_join_all;
use twin_capabilities::Failure;
use twin_contract::MAX_PAGE;

use crate::{
    document::{Range, Stored},
    documents::Documents,
    names,
};

/// How many documents the first call asks for, if so many are wanted. They may have 256 KiB each, and the twin's pages end at
/// 1 MiB.
const FIRST: u32 = 100;

/// The documents of several ranges of one index, in their order. Reads as much at a time as a page is likely to need.
pub(crate) struct Merge<'a, D> {
    documents: &'a D,
    ranges: Vec<Reading>,
    descending: bool,
    /// How many documents a page has at most.
    limit: u32,
    given: u32,
    given_bytes: usize,
    /// The size of the last document.
    last_bytes: usize,
}

/// One range that is being read.
struct Reading {
    /// What has not been read yet.
    rest: Range,
    ended: bool,
    read: VecDeque<Stored>,
}

impl<'a, D: Documents> Merge<'a, D> {
    /// All ranges must have the same index and direction. At most `limit` documents are wanted, and one more to know whether more
    /// follow.
    pub(crate) fn of(
        documents: &'a D,
        ranges: impl IntoIterator<Item = Range>,
        limit: u32,
    ) -> Self {
        let ranges: Vec<_> = ranges
            .into_iter()
            .map(|range| Reading {
                ended: range.from >= range.to,
                rest: range,
                read: VecDeque::new(),
            })
            .collect();
        let descending = ranges.iter().any(|reading| reading.rest.descending);
        Self {
            documents,
            ranges,
            descending,
            limit,
            given: 0,
            given_bytes: 0,
            last_bytes: 0,
        }
    }

    /// The next document.
    pub(crate) async fn next(&mut self) -> Result<Option<Stored>, Failure> {
        let wanted = self.wanted();
        let documents = self.documents;
        let reads = self
            .ranges
            .iter_mut()
            .filter(|reading| reading.read.is_empty() && !reading.ended)
            .map(|reading| reading.read_on(documents, wanted));
        try_join_all(reads).await?;
        let descending = self.descending;
        let next = self
            .ranges
            .iter_mut()
            .filter(|reading| !reading.read.is_empty())
            .min_by(|one, other| {
                let places = one.place().cmp(&other.place());
                if descending { places.reverse() } else { places }
            })
            .and_then(|reading| reading.read.pop_front());
        if let Some(next) = &next {
            self.last_bytes = next.document.bytes();
            self.given = self.given.saturating_add(1);
            self.given_bytes = self.given_bytes.saturating_add(self.last_bytes);
        }
        Ok(next)
    }

    /// The last document was not wanted: it takes no room on the page.
    pub(crate) fn skip(&mut self) {
        self.given = self.given.saturating_sub(1);
        self.given_bytes = self.given_bytes.saturating_sub(self.last_bytes);
    }

    /// How many documents to ask for: as many as are missing, but not many more than fit on a page if they are as large as those
    /// before them.
    fn wanted(&self) -> u32 {
        let missing = self.limit.saturating_sub(self.given).saturating_add(1);
        let room = MAX_PAGE.saturating_sub(self.given_bytes);
        let fit = match usize::try_from(self.given) {
            Ok(given) if given > 0 => {
                let average = (self.given_bytes / given).max(1);
                u32::try_from(room / average + 2).unwrap_or(u32::MAX)
            }
            _ => FIRST,
        };
        missing.min(fit)
    }
}

impl Reading {
    /// Where its next document is.
    fn place(&self) -> Option<&str> {
        let next = self.read.front()?;
        next.document.place(self.rest.index)
    }

    async fn read_on(&mut self, documents: &impl Documents, wanted: u32) -> Result<(), Failure> {
        let batch = documents.query(&self.rest, wanted).await?;
        let last = batch.documents.last();
        match last.and_then(|last| last.document.place(self.rest.index)) {
            Some(last) if batch.more && self.rest.descending => self.rest.to = last.to_owned(),
            Some(last) if batch.more => self.rest.from = names::after(last.to_owned()),
            _ => self.ended = true,
        }
        self.read.extend(batch.documents);
        Ok(())
    }
}
