//! DynamoDB as a document database.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use aws_sdk_dynamodb::{
    error::SdkError,
    operation::{
        delete_item::DeleteItemError,
        put_item::{PutItemError, builders::PutItemFluentBuilder},
        query::{QueryOutput, builders::QueryFluentBuilder},
    },
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure, Select},
};
use twin_capabilities::Failure;
use twin_documents::{
    Address, Batch, Created, Document, Documents, Index, Kind, Range, ServiceError, Stored, Table,
    Tag,
};

use crate::{
    connection::{Clients, Connection},
    error::Action,
    settings::Names,
    wire::{self, Item},
};

/// The item is in the state in which its writer saw it.
const UNCHANGED: &str = "#tag = :tag";

/// What [`Range`] says, with its end made one that is included.
const WITHIN: &str = "#partition = :partition AND #place BETWEEN :from AND :last";

/// A partition without documents.
const EMPTY_PARTITION: &str = "-";

/// A twin's tables.
pub(crate) struct DynamoDb {
    connection: Arc<Connection>,
    names: Names,
}

impl DynamoDb {
    pub(crate) fn new(connection: Arc<Connection>, names: Names) -> Self {
        Self { connection, names }
    }

    fn put(&self, aws: &Clients, document: Document) -> PutItemFluentBuilder {
        let table = self.names.table(document.address.table);
        aws.dynamodb
            .put_item()
            .table_name(table)
            .set_item(Some(wire::item(document, wire::new_tag())))
    }

    fn query_of(&self, aws: &Clients, range: &Range, limit: u32) -> QueryFluentBuilder {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        aws.dynamodb
            .query()
            .table_name(self.names.table(range.table))
            .index_name(wire::index_name(range.index))
            .key_condition_expression(WITHIN)
            .expression_attribute_names("#partition", wire::PARTITION)
            .expression_attribute_names("#place", wire::place_name(range.index))
            .expression_attribute_values(":partition", text(&range.partition))
            .expression_attribute_values(":from", text(&range.from))
            .expression_attribute_values(":last", text(&wire::last_before(&range.to)))
            .scan_index_forward(!range.descending)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
    }

    /// Reads the next part of a range.
    async fn page(
        &self,
        range: &Range,
        limit: u32,
        select: Option<Select>,
        after: Option<Item>,
    ) -> Result<QueryOutput, ServiceError> {
        self.connection
            .call(Action::QUERY, |aws| {
                let query = self.query_of(aws, range, limit);
                query
                    .set_select(select)
                    .set_exclusive_start_key(after)
                    .send()
            })
            .await
    }
}

#[async_trait]
impl Documents for DynamoDb {
    fn is_too_large(&self, document: &Document) -> bool {
        wire::is_too_large(document)
    }

    async fn create(&self, document: Document) -> Result<Created, Failure> {
        let table = document.address.table;
        let found = self
            .connection
            .call(Action::PUT_ITEM, |aws| {
                let put = self
                    .put(aws, document)
                    .condition_expression("attribute_not_exists(#key)")
                    .expression_attribute_names("#key", wire::KEY)
                    .return_values_on_condition_check_failure(
                        ReturnValuesOnConditionCheckFailure::AllOld,
                    );
                async move {
                    match put.send().await {
                        Ok(_) => Ok(None),
                        Err(error) => there_already(error).map(Some),
                    }
                }
            })
            .await?;
        match found {
            Some(item) => {
                let stored = readable(Action::PUT_ITEM, table, item)?;
                Ok(Created::Exists(stored))
            }
            None => Ok(Created::New),
        }
    }

    async fn get(&self, address: &Address) -> Result<Option<Stored>, Failure> {
        let found = self
            .connection
            .call(Action::GET_ITEM, |aws| {
                aws.dynamodb
                    .get_item()
                    .table_name(self.names.table(address.table))
                    .key(wire::KEY, wire::key(address))
                    .consistent_read(true)
                    .send()
            })
            .await?;
        let stored = found
            .item
            .map(|item| readable(Action::GET_ITEM, address.table, item));
        Ok(stored.transpose()?)
    }

    async fn replace(&self, document: Document, tag: &Tag) -> Result<bool, Failure> {
        let replaced = self.connection.call(Action::PUT_ITEM, |aws| {
            let put = self
                .put(aws, document)
                .condition_expression(UNCHANGED)
                .expression_attribute_names("#tag", wire::TAG)
                .expression_attribute_values(":tag", AttributeValue::S(tag.0.clone()));
            async move {
                let changed = |error: &PutItemError| error.is_conditional_check_failed_exception();
                done_unless(changed, put.send().await)
            }
        });
        Ok(replaced.await?)
    }

    async fn remove(&self, address: &Address, tag: &Tag) -> Result<bool, Failure> {
        let removed = self.connection.call(Action::DELETE_ITEM, |aws| {
            let delete = aws
                .dynamodb
                .delete_item()
                .table_name(self.names.table(address.table))
                .key(wire::KEY, wire::key(address))
                .condition_expression(UNCHANGED)
                .expression_attribute_names("#tag", wire::TAG)
                .expression_attribute_values(":tag", AttributeValue::S(tag.0.clone()));
            async move {
                let changed =
                    |error: &DeleteItemError| error.is_conditional_check_failed_exception();
                done_unless(changed, delete.send().await)
            }
        });
        Ok(removed.await?)
    }

    async fn write(&self, document: Document) -> Result<(), Failure> {
        let written = self
            .connection
            .call(Action::PUT_ITEM, |aws| self.put(aws, document).send());
        Ok(written.await.map(drop)?)
    }

    async fn query(&self, range: &Range, limit: u32) -> Result<Batch, Failure> {
        if range.from >= range.to {
            return Ok(Batch::default());
        }
        let mut after = None;
        loop {
            let page = self.page(range, limit, None, after).await?;
            let rest = rest_of(page.last_evaluated_key);
            let items = page.items.unwrap_or_default().into_iter();
            let documents = items.map(|item| readable(Action::QUERY, range.table, item));
            let documents: Vec<_> = documents.collect::<Result<_, _>>()?;
            // DynamoDB may return nothing of a range that goes on.
            if !documents.is_empty() || rest.is_none() {
                return Ok(Batch {
                    documents,
                    more: rest.is_some(),
                });
            }
            after = rest;
        }
    }

    async fn count(&self, range: &Range, limit: u32) -> Result<u32, Failure> {
        if range.from >= range.to {
            return Ok(0);
        }
        let (mut counted, mut after) = (0_u32, None);
        while counted < limit {
            let select = Some(Select::Count);
            let page = self.page(range, limit - counted, select, after).await?;
            counted = counted.saturating_add(page.count.unsigned_abs());
            after = rest_of(page.last_evaluated_key);
            if after.is_none() {
                break;
            }
        }
        Ok(counted.min(limit))
    }

    async fn look(&self, table: Table) -> Result<(), Failure> {
        let nowhere = Range {
            table,
            partition: EMPTY_PARTITION.to_owned(),
            index: Index::Order,
            from: "0".to_owned(),
            to: "1".to_owned(),
            descending: false,
        };
        self.page(&nowhere, 1, None, None).await?;
        Ok(())
    }
}

/// The item that kept another one from being created; the failure, if it was something else.
#[expect(
    clippy::result_large_err,
    reason = "the library's own error, on a path that fails"
)]
fn there_already(error: SdkError<PutItemError>) -> Result<Item, SdkError<PutItemError>> {
    if let SdkError::ServiceError(refused) = &error
        && let PutItemError::ConditionalCheckFailedException(found) = refused.err()
        && let Some(item) = &found.item
    {
        return Ok(item.clone());
    }
    Err(error)
}

/// Whether a conditional write happened.
#[expect(
    clippy::result_large_err,
    reason = "the library's own error, on a path that fails"
)]
fn done_unless<T, E>(
    changed: impl Fn(&E) -> bool,
    answer: Result<T, SdkError<E>>,
) -> Result<bool, SdkError<E>> {
    match answer {
        Ok(_) => Ok(true),
        Err(SdkError::ServiceError(refused)) if changed(refused.err()) => Ok(false),
        Err(error) => Err(error),
    }
}

fn readable(action: Action, table: Table, item: Item) -> Result<Stored, ServiceError> {
    wire::stored(table, item).map_err(|wire::Unreadable(attribute)| {
        let code = format!("an item without a usable attribute `{attribute}`");
        action.failed(code, Kind::Rejected)
    })
}

/// Where a range goes on.
fn rest_of(last: Option<HashMap<String, AttributeValue>>) -> Option<Item> {
    last.filter(|key| !key.is_empty())
}
