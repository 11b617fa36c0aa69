//! The twin's documents in Cosmos DB: an item each, in the container of its table.
//!
//! The partition key of an item is its partition, its id is its key. Each condition is one header of one request, and the
//! service decides: a new item is a POST that fails if the id is there (409), a change is a PUT or DELETE with the entity tag
//! that was read (412 if it is another one by now).

pub(crate) mod calls;
pub(crate) mod session;
pub(crate) mod sign;
pub(crate) mod wire;

use async_trait::async_trait;
use reqwest::Method;
use twin_capabilities::{Failure, provider::Clock};
use twin_documents::{
    Address, Batch, Created, Document, Documents, Index, Kind, Range, ServiceError, Stored, Table,
    Tag,
};

use crate::{
    documents::calls::{Call, Cosmos, Resource},
    error,
    http::Answer,
};

/// How often a document is created anew because another host removed it before it could be read.
const RACES: usize = 4;

/// How many pages of a query may be without a document before the service counts as overloaded.
const EMPTY_PAGES: usize = 8;

/// The most documents that a page is asked for.
const PAGE: u32 = 1000;

const PARTITION: &str = "x-ms-documentdb-partitionkey";

/// The actions, as the roles of Cosmos DB name them.
mod action {
    pub(super) const CREATE: &str =
        "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/create";
    pub(super) const READ: &str =
        "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/read";
    pub(super) const REPLACE: &str =
        "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/replace";
    pub(super) const DELETE: &str =
        "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/delete";
    pub(super) const UPSERT: &str =
        "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/upsert";
    pub(super) const QUERY: &str =
        "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/executeQuery";
}

/// A twin's documents in a database.
#[derive(Debug)]
pub(crate) struct CosmosDocuments {
    pub(crate) cosmos: Cosmos,
    /// The store's clock, from which it is counted how long a document lives.
    pub(crate) clock: StoreClock,
}

/// A clock that can be shown.
pub(crate) struct StoreClock(pub(crate) Clock);

impl std::fmt::Debug for StoreClock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("StoreClock")
    }
}

/// What a refused condition is: not a failure, but an answer.
enum Conditional {
    Done,
    /// The item is there (409), has another tag (412), or is gone (404).
    Refused,
}

impl CosmosDocuments {
    async fn read(&self, address: &Address) -> Result<Option<Stored>, ServiceError> {
        let resource = Resource::Item(address.table, &address.key);
        let call = in_partition(action::READ, Method::GET, resource, &address.partition);
        let answer = self.cosmos.answer(&call).await?;
        if is_item_missing(&answer) {
            return Ok(None);
        }
        let answer = answer.success(call.called())?;
        let read: wire::Read = answer.json(call.called())?;
        let stored = read.decode(address.table);
        let called = call.called();
        stored
            .map(Some)
            .ok_or_else(|| error::unreadable(called.service, called.action))
    }

    /// Makes a change on a condition: that the item is new, or has the tag of the call.
    async fn change(&self, call: Call<'_>) -> Result<Conditional, ServiceError> {
        let answer = self.cosmos.answer(&call).await?;
        if answer.status.is_success() {
            return Ok(Conditional::Done);
        }
        let failure = answer.failure(call.called());
        // A new item cannot be missing: then it is the container.
        let is_gone = !call.is_for_new_item() && is_item_missing(&answer);
        if failure.kind == Kind::Conflict || is_gone {
            Ok(Conditional::Refused)
        } else {
            Err(failure)
        }
    }

    /// A call that writes a document. The service would send it back.
    fn writing<'a>(
        &self,
        action: &'static str,
        method: Method,
        resource: Resource<'a>,
        document: &Document,
    ) -> Call<'a> {
        in_partition(action, method, resource, &document.address.partition)
            .header("prefer", "return=minimal")
            .body("application/json", wire::encode(document, (self.clock.0)()))
    }

    /// Queries a container by one of its indexes, to see whether that is possible.
    pub(crate) async fn select(&self, table: Table, index: Index) -> Result<(), ServiceError> {
        let nothing = Range {
            table,
            partition: "-".to_owned(),
            index,
            from: "0".to_owned(),
            to: "1".to_owned(),
            descending: false,
        };
        let query = wire::query(&nothing);
        let (_, _): (Vec<wire::Read>, _) = self.page(&nothing, query, 1, None).await?;
        Ok(())
    }

    async fn page<T: serde::de::DeserializeOwned>(
        &self,
        range: &Range,
        query: Vec<u8>,
        limit: u32,
        continuation: Option<String>,
    ) -> Result<(Vec<T>, Option<String>), ServiceError> {
        let resource = Resource::Items(range.table);
        let mut call = in_partition(action::QUERY, Method::POST, resource, &range.partition)
            .header("x-ms-documentdb-isquery", "true")
            .header("x-ms-max-item-count", limit.min(PAGE).to_string())
            .body("application/query+json", query);
        if let Some(continuation) = continuation {
            call = call.header("x-ms-continuation", continuation);
        }
        let answer = self.cosmos.answer(&call).await?.success(call.called())?;
        let page: wire::Page<T> = answer.json(call.called())?;
        let next = answer.header("x-ms-continuation").map(str::to_owned);
        Ok((page.documents, next.filter(|next| !next.is_empty())))
    }
}

#[async_trait]
impl Documents for CosmosDocuments {
    fn is_too_large(&self, document: &Document) -> bool {
        wire::is_too_large(document)
    }

    async fn create(&self, document: Document) -> Result<Created, Failure> {
        let address = &document.address;
        for _ in 0..RACES {
            let resource = Resource::Items(address.table);
            let call = self.writing(action::CREATE, Method::POST, resource, &document);
            match self.change(call).await? {
                Conditional::Done => return Ok(Created::New),
                Conditional::Refused => {
                    if let Some(stored) = self.read(address).await? {
                        return Ok(Created::Exists(stored));
                    }
                }
            }
        }
        let contended = "an item was removed, again and again, before it could be read";
        Err(Failure::Unavailable(contended.to_owned()))
    }

    async fn get(&self, address: &Address) -> Result<Option<Stored>, Failure> {
        Ok(self.read(address).await?)
    }

    async fn replace(&self, document: Document, tag: &Tag) -> Result<bool, Failure> {
        let address = &document.address;
        let resource = Resource::Item(address.table, &address.key);
        let call = self
            .writing(action::REPLACE, Method::PUT, resource, &document)
            .header("if-match", tag.0.as_str());
        Ok(matches!(self.change(call).await?, Conditional::Done))
    }

    async fn remove(&self, address: &Address, tag: &Tag) -> Result<bool, Failure> {
        let resource = Resource::Item(address.table, &address.key);
        let call = in_partition(action::DELETE, Method::DELETE, resource, &address.partition)
            .header("if-match", tag.0.as_str());
        Ok(matches!(self.change(call).await?, Conditional::Done))
    }

    async fn write(&self, document: Document) -> Result<(), Failure> {
        let resource = Resource::Items(document.address.table);
        let call = self
            .writing(action::UPSERT, Method::POST, resource, &document)
            .header("x-ms-documentdb-is-upsert", "true");
        self.cosmos.answer(&call).await?.success(call.called())?;
        Ok(())
    }

    async fn query(&self, range: &Range, limit: u32) -> Result<Batch, Failure> {
        let mut continuation = None;
        // A page may be empty though more follow.
        for _ in 0..EMPTY_PAGES {
            let (read, next): (Vec<wire::Read>, _) = self
                .page(range, wire::query(range), limit, continuation)
                .await?;
            if !read.is_empty() || next.is_none() {
                let documents: Option<_> = read
                    .into_iter()
                    .map(|read| read.decode(range.table))
                    .collect();
                let documents =
                    documents.ok_or_else(|| error::unreadable("Cosmos DB", action::QUERY))?;
                return Ok(Batch {
                    documents,
                    more: next.is_some(),
                });
            }
            continuation = next;
        }
        Err(Failure::Unavailable(
            "Cosmos DB answers with empty pages".to_owned(),
        ))
    }

    async fn count(&self, range: &Range, limit: u32) -> Result<u32, Failure> {
        let mut counted = 0_u32;
        let mut continuation = None;
        // `COUNT` would read, and charge for, all items of the range.
        while counted < limit {
            let (ones, next): (Vec<u8>, _) = self
                .page(range, wire::count(range), limit - counted, continuation)
                .await?;
            counted = counted.saturating_add(u32::try_from(ones.len()).unwrap_or(u32::MAX));
            if next.is_none() {
                break;
            }
            continuation = next;
        }
        Ok(counted.min(limit))
    }

    async fn look(&self, table: Table) -> Result<(), Failure> {
        // A query, since a lookup by id does not tell a missing item from a missing container everywhere.
        Ok(self.select(table, Index::Order).await?)
    }
}

fn in_partition<'a>(
    action: &'static str,
    method: Method,
    resource: Resource<'a>,
    partition: &str,
) -> Call<'a> {
    Call::new(action, method, resource).header(PARTITION, wire::partition_header(partition))
}

/// Whether an item is not there, rather than its container (1003) or a replica that knows of it (1002).
fn is_item_missing(answer: &Answer) -> bool {
    answer.status.as_u16() == 404 && error::subcode(&answer.headers).is_empty()
}
