//! The twin's documents in Firestore.
//!
//! Every write is one `commit` of one document with a precondition: `exists: false` creates, `updateTime` replaces and removes
//! what nobody has changed since. Reading is strongly consistent, also by queries.
//!
//! A document is read by `batchGet` and not by `get`, which has the same answer for a missing document and for a missing database.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value as Json;
use twin_capabilities::Failure;
use twin_documents::{
    Address, Batch, Created, Document, Documents, Missing, Range, ServiceError, Stored, Table, Tag,
};

use crate::{
    error::{self, ALREADY_EXISTS, FAILED_PRECONDITION, NOT_FOUND},
    requests::{Change, Commit, Part, Precondition, batch_get, count, first_of, query},
    schema::Composite,
    service::{Call, Service},
    wire::{self, WireDocument, from_wire, to_wire},
};

/// The largest document that is accepted: Firestore's limit, less what a lease adds to a letter, so that every letter that was
/// stored can be leased.
const LARGEST: usize = (1 << 20) - 1024;

/// The longest that a call may take.
const LIMIT: Duration = Duration::from_secs(5);

/// How often a document is created anew that was there, and was gone when it was looked for.
const RACES: usize = 4;

const CREATE: Call = data("datastore.entities.create");
const GET: Call = data("datastore.entities.get");
const UPDATE: Call = data("datastore.entities.update");
const DELETE: Call = data("datastore.entities.delete");
const LIST: Call = data("datastore.entities.list");

const fn data(action: &'static str) -> Call {
    Call {
        action,
        limit: LIMIT,
    }
}

/// A Firestore database.
#[derive(Debug)]
pub(crate) struct Firestore {
    service: Service,
    /// `projects/{project}/databases/{database}/documents`
    root: String,
}

impl Firestore {
    /// `database` is `projects/{project}/databases/{database}`.
    pub(crate) fn new(service: Service, database: &str) -> Self {
        Self {
            service,
            root: format!("{database}/documents"),
        }
    }

    fn method(&self, name: &str) -> String {
        format!("{}:{name}", self.root)
    }

    async fn commit(&self, call: Call, commit: &Commit) -> Result<(), ServiceError> {
        let body = self.service.encode(call, commit)?;
        self.commit_encoded(call, body).await
    }

    async fn commit_encoded(&self, call: Call, body: Bytes) -> Result<(), ServiceError> {
        let path = self.method("commit");
        let sent = self
            .service
            .send(call, reqwest::Method::POST, &path, Some(body));
        sent.await.map(|IgnoredAny| ())
    }

    /// Whether a conditional write happened.
    async fn commit_if(&self, call: Call, commit: &Commit) -> Result<bool, Failure> {
        match self.commit(call, commit).await {
            Ok(()) => Ok(true),
            // The document has another state, or is gone.
            Err(error) if [FAILED_PRECONDITION, NOT_FOUND].contains(&error.code.as_str()) => {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads something.
    async fn ask(
        &self,
        call: Call,
        method: &str,
        question: &Json,
    ) -> Result<Vec<Part>, ServiceError> {
        let path = self.method(method);
        let mut parts: Vec<Part> = self.service.post(call, &path, question).await?;
        match parts.iter_mut().find_map(|part| part.error.take()) {
            Some(status) => Err(self
                .service
                .failed(call, error::of_status(status, 200, None))),
            None => Ok(parts),
        }
    }

    fn update(&self, document: Document, condition: Option<Precondition>) -> Commit {
        let document = to_wire(&self.root, document);
        Commit::of(Change::Update(document), condition)
    }

    /// Creates a document, unless there is one.
    async fn create_or_get(&self, address: &Address, body: &Bytes) -> Result<Created, Failure> {
        for _ in 0..RACES {
            match self.commit_encoded(CREATE, body.clone()).await {
                Ok(()) => return Ok(Created::New),
                Err(error) if error.code == ALREADY_EXISTS => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(stored) = self.get(address).await? {
                return Ok(Created::Exists(stored));
            }
        }
        let reason = "a document was created and removed again and again".to_owned();
        Err(Failure::Unavailable(reason))
    }

    fn stored(&self, table: Table, document: WireDocument) -> Result<Stored, Failure> {
        from_wire(table, document).map_err(|Missing(field)| {
            Failure::Other(format!(
                "a Firestore document without its field `{field}`: this program did not write it like that"
            ))
        })
    }
}

#[async_trait]
impl Documents for Firestore {
    fn is_too_large(&self, document: &Document) -> bool {
        wire::size(document) > LARGEST
    }

    async fn create(&self, document: Document) -> Result<Created, Failure> {
        let address = document.address.clone();
        let commit = self.update(document, Some(Precondition::Exists(false)));
        let body = self.service.encode(CREATE, &commit)?;
        self.create_or_get(&address, &body).await
    }

    async fn get(&self, address: &Address) -> Result<Option<Stored>, Failure> {
        let name = wire::name(&self.root, address);
        let parts = self.ask(GET, "batchGet", &batch_get(&name)).await?;
        let is_missing = parts.iter().any(|part| part.missing.is_some());
        match parts.into_iter().find_map(|part| part.document) {
            Some(document) => self.stored(address.table, document).map(Some),
            None if is_missing => Ok(None),
            None => Err(self.service.unreadable(GET).into()),
        }
    }

    async fn replace(&self, document: Document, tag: &Tag) -> Result<bool, Failure> {
        let commit = self.update(document, Some(Precondition::of(tag)));
        self.commit_if(UPDATE, &commit).await
    }

    async fn remove(&self, address: &Address, tag: &Tag) -> Result<bool, Failure> {
        let name = wire::name(&self.root, address);
        let commit = Commit::of(Change::Delete(name), Some(Precondition::of(tag)));
        self.commit_if(DELETE, &commit).await
    }

    async fn write(&self, document: Document) -> Result<(), Failure> {
        let commit = self.update(document, None);
        Ok(self.commit(UPDATE, &commit).await?)
    }

    async fn query(&self, range: &Range, limit: u32) -> Result<Batch, Failure> {
        debug_assert!(Composite::answers(range), "no index for {range:?}");
        let parts = self.ask(LIST, "runQuery", &query(range, limit)).await?;
        let documents = parts.into_iter().filter_map(|part| part.document);
        let documents = documents
            .map(|document| self.stored(range.table, document))
            .collect::<Result<Vec<_>, _>>()?;
        // Whether more follow would cost one more document to find out each time.
        let full = u32::try_from(documents.len()).is_ok_and(|found| found >= limit);
        Ok(Batch {
            documents,
            more: full,
        })
    }

    async fn count(&self, range: &Range, limit: u32) -> Result<u32, Failure> {
        debug_assert!(Composite::answers(range), "no index for {range:?}");
        let counting = count(range, limit);
        let parts = self.ask(LIST, "runAggregationQuery", &counting).await?;
        let counted = parts.iter().find_map(Part::number);
        counted.ok_or_else(|| self.service.unreadable(LIST).into())
    }

    async fn look(&self, table: Table) -> Result<(), Failure> {
        let parts = self.ask(LIST, "runQuery", &first_of(table)).await;
        Ok(parts.map(drop)?)
    }
}
