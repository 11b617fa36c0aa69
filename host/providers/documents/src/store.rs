//! The stores of one twin over a document database.

use std::{
    fmt,
    num::NonZeroU32,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use twin_capabilities::{
    ErrorTopic, Failure, Stores,
    provider::{Clock, receipt},
};
use twin_tasks::DetachOnDrop;

use crate::{
    copies::{Copier, LetterCopies},
    document::Missing,
    documents::Documents,
    health::Checked,
};

/// How a twin's stores are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// After what time the database may remove a record; `None` keeps it for ever.
    pub record_age: Option<Duration>,
    /// After what time the database may remove a dead letter; `None` keeps it for ever.
    pub letter_age: Option<Duration>,
    /// Over how many partitions the records of one device are spread. Services limit what one partition may hold and take. Every
    /// query asks all of them. Once there are records, the number must not change: a repetition would no longer meet its record.
    pub shards: NonZeroU32,
}

impl Default for Settings {
    /// Nothing is removed, and a device has one partition.
    fn default() -> Self {
        Self {
            record_age: None,
            letter_age: None,
            shards: NonZeroU32::MIN,
        }
    }
}

/// The stores of one twin over a document database. Clones share them. The files named after the capabilities implement the
/// traits.
pub struct DocumentStore<D> {
    pub(crate) inner: Arc<Inner<D>>,
    pub(crate) copier: Option<Arc<Copier>>,
}

pub(crate) struct Inner<D> {
    pub(crate) documents: D,
    pub(crate) twin: String,
    pub(crate) clock: Clock,
    pub(crate) settings: Settings,
    /// Distinguishes this process from other hosts.
    pub(crate) host: String,
    pub(crate) checked: Checked,
    /// The largest number that this process gave a letter.
    pub(crate) last_number: AtomicU64,
    /// The end of the queue of letters, as far as this process knows.
    pub(crate) last_turn: AtomicU64,
}

impl<D> Clone for DocumentStore<D> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            copier: self.copier.clone(),
        }
    }
}

impl<D> fmt::Debug for DocumentStore<D> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DocumentStore")
            .finish_non_exhaustive()
    }
}

impl<D: Documents> DocumentStore<D> {
    /// The stores of `twin` in a database. Nothing is read or written before the first call.
    ///
    /// `clock` is the service's: all hosts of the twin must read nearly the same time from it. A lease may end earlier, by as much
    /// as two hosts' clocks differ.
    pub fn new(documents: D, twin: &str, clock: Clock, settings: Settings) -> Self {
        Self {
            inner: Arc::new(Inner {
                documents,
                twin: twin.to_owned(),
                clock,
                settings,
                host: receipt(),
                checked: Checked::default(),
                last_number: AtomicU64::new(0),
                last_turn: AtomicU64::new(0),
            }),
            copier: None,
        }
    }

    /// Each letter that is stored for the first time is also copied there, if that is possible within
    /// [`COPY_LIMIT`](crate::COPY_LIMIT).
    #[must_use]
    pub fn with_copies(mut self, copies: Arc<dyn LetterCopies>) -> Self {
        self.copier = Some(Arc::new(Copier::new(copies)));
        self
    }

    /// The stores, with a topic that delivers system errors by itself.
    #[must_use]
    pub fn stores(&self, error_topic: Arc<dyn ErrorTopic>) -> Stores {
        let store = Arc::new(self.clone());
        Stores {
            records: store.clone(),
            dead_letters: store.clone(),
            error_topic,
            outbox: None,
            circuits: store.clone(),
            health: store.clone(),
            statistics: store,
        }
    }

    /// Does something to the end, also if the caller stops waiting for it: an operation of several calls is not left half done.
    pub(crate) async fn to_the_end<T, F>(&self, operation: impl FnOnce(Arc<Inner<D>>) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        DetachOnDrop::of(operation(self.inner.clone())).await
    }
}

/// A document of ours that something else has written or changed.
pub(crate) fn unreadable(missing: Missing) -> Failure {
    let Missing(field) = missing;
    Failure::Other(format!(
        "a document without its field `{field}`: this program did not write it like that"
    ))
}
