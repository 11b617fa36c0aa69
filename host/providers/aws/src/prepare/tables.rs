//! The tables of a twin.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexDescription, GlobalSecondaryIndexUpdate, IndexStatus, KeySchemaElement,
    KeyType, Projection, ProjectionType, ScalarAttributeType, TableDescription, TableStatus,
    TimeToLiveDescription, TimeToLiveSpecification, TimeToLiveStatus,
};
use aws_smithy_types::error::operation::BuildError;
use tokio::time::{Instant, sleep};
use twin_documents::{Finding, Index, Kind, Prepared, Problem, ServiceError, Table};

use crate::{
    connection::Connection,
    error::{Action, is_absent},
    settings::Names,
    wire,
};

/// How long `init` waits for a table or an index. Making an index of a table with data takes time.
const READY_LIMIT: Duration = Duration::from_secs(300);

/// How long it waits between two looks.
const PAUSE: Duration = Duration::from_millis(500);

const OTHER_KEY: Problem = Problem::differs("its primary key is not `key`");
const OTHER_INDEX: Problem = Problem::differs("it has other keys or not all attributes");
const NOT_ACTIVE: Problem = Problem::differs("it is not active");
const KEEPS_ITEMS: Problem = Problem::differs("items are not removed after the time in `expires`");

/// One table.
pub(super) struct TwinTable {
    name: String,
    indexes: &'static [Index],
}

impl TwinTable {
    pub(super) fn of(table: Table, names: &Names) -> Self {
        Self {
            name: names.table(table),
            indexes: match table {
                Table::DeadLetters => &[Index::Order, Index::Queue],
                Table::Messages | Table::SystemErrors | Table::State => &[Index::Order],
            },
        }
    }

    pub(super) fn plan(&self) -> Vec<String> {
        let Self { name, indexes } = self;
        let indexes = indexes.iter().map(|index| {
            let (what, place) = (self.index(*index), wire::place_name(*index));
            format!("{what} by `{}` and `{place}`", wire::PARTITION)
        });
        let table = format!(
            "table `{name}` with the key `{}`, billed by request",
            wire::KEY
        );
        let removal = format!("{} after the time in `{}`", self.removal(), wire::EXPIRES);
        [table]
            .into_iter()
            .chain(indexes)
            .chain([removal])
            .collect()
    }

    /// Makes the table, or what it lacks.
    pub(super) async fn init(&self, aws: &Connection) -> Result<Vec<Prepared>, ServiceError> {
        let found = self.look(aws).await?;
        let created = found.is_none() && self.create(aws).await?;
        let mut prepared = vec![Prepared::new(self.table(), created)];
        let mut table = self.ready(aws).await?;
        if !has_key(&table) {
            let code = "the table has another primary key";
            return Err(Action::DESCRIBE_TABLE.failed(code, Kind::Conflict));
        }
        for index in self.indexes {
            let missing = index_of(&table, *index).is_none();
            if missing {
                self.add_index(aws, *index).await?;
                table = self.ready(aws).await?;
            }
            prepared.push(Prepared::new(self.index(*index), created || missing));
        }
        let keeps = !removes(self.expiry(aws).await?.as_ref());
        if keeps {
            self.remove_expired(aws).await?;
        }
        prepared.push(Prepared::new(self.removal(), keeps));
        Ok(prepared)
    }

    /// What is wrong with the table.
    pub(super) async fn check(&self, aws: &Connection) -> Vec<Finding> {
        let table = match self.look(aws).await {
            Ok(Some(table)) => table,
            Ok(None) => return vec![Finding::of(self.table(), Problem::Missing)],
            Err(error) => return vec![Finding::of(self.table(), error)],
        };
        let mut findings = Vec::new();
        if !has_key(&table) {
            findings.push(Finding::of(self.table(), OTHER_KEY));
        }
        if table.table_status != Some(TableStatus::Active)
            && table.table_status != Some(TableStatus::Updating)
        {
            findings.push(Finding::of(self.table(), NOT_ACTIVE));
        }
        for index in self.indexes {
            let problem = match index_of(&table, *index) {
                None => Problem::Missing,
                Some(found) if !is_whole(found, *index) => OTHER_INDEX,
                Some(found) if !is_active(found) => NOT_ACTIVE,
                Some(_) => continue,
            };
            findings.push(Finding::of(self.index(*index), problem));
        }
        match self.expiry(aws).await {
            Ok(expiry) if removes(expiry.as_ref()) => {}
            Ok(_) => findings.push(Finding::of(self.removal(), KEEPS_ITEMS)),
            Err(error) => findings.push(Finding::of(self.removal(), error)),
        }
        findings
    }

    fn table(&self) -> String {
        format!("table `{}`", self.name)
    }

    fn index(&self, index: Index) -> String {
        format!("index `{}` of {}", wire::index_name(index), self.table())
    }

    fn removal(&self) -> String {
        format!("removal of items of {}", self.table())
    }

    /// The table; `None` if it is not there.
    async fn look(&self, aws: &Connection) -> Result<Option<TableDescription>, ServiceError> {
        let described = aws
            .call(Action::DESCRIBE_TABLE, |aws| {
                aws.dynamodb.describe_table().table_name(&self.name).send()
            })
            .await;
        match described {
            Ok(described) => Ok(described.table),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits until the table and all its indexes can be used.
    async fn ready(&self, aws: &Connection) -> Result<TableDescription, ServiceError> {
        let until = Instant::now() + READY_LIMIT;
        loop {
            if let Some(table) = self.look(aws).await?
                && table.table_status == Some(TableStatus::Active)
                && table.global_secondary_indexes().iter().all(is_active)
            {
                return Ok(table);
            }
            if Instant::now() > until {
                let code = "the table is not active yet";
                return Err(Action::DESCRIBE_TABLE.failed(code, Kind::Unavailable));
            }
            sleep(PAUSE).await;
        }
    }

    /// Makes the table. False if another process was faster.
    async fn create(&self, aws: &Connection) -> Result<bool, ServiceError> {
        let invalid = |_: BuildError| unbuilt(Action::CREATE_TABLE);
        let mut attributes = vec![attribute(wire::KEY), attribute(wire::PARTITION)];
        let mut indexes = Vec::new();
        for index in self.indexes {
            attributes.push(attribute(wire::place_name(*index)));
            indexes.push(
                GlobalSecondaryIndex::builder()
                    .index_name(wire::index_name(*index))
                    .set_key_schema(Some(index_keys(*index).map_err(invalid)?))
                    .projection(everything())
                    .build(),
            );
        }
        let attributes = attributes.into_iter().collect::<Result<_, _>>();
        let attributes: Vec<_> = attributes.map_err(invalid)?;
        let indexes = indexes.into_iter().collect::<Result<_, _>>();
        let indexes: Vec<_> = indexes.map_err(invalid)?;
        let key = key(wire::KEY, KeyType::Hash).map_err(invalid)?;
        let created = aws
            .call(Action::CREATE_TABLE, |aws| {
                aws.dynamodb
                    .create_table()
                    .table_name(&self.name)
                    .key_schema(key)
                    .set_attribute_definitions(Some(attributes))
                    .set_global_secondary_indexes(Some(indexes))
                    .billing_mode(BillingMode::PayPerRequest)
                    .send()
            })
            .await;
        match created {
            Ok(_) => Ok(true),
            Err(error) if error.kind == Kind::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn add_index(&self, aws: &Connection, index: Index) -> Result<(), ServiceError> {
        let invalid = |_: BuildError| unbuilt(Action::UPDATE_TABLE);
        let attributes = [
            attribute(wire::PARTITION),
            attribute(wire::place_name(index)),
        ];
        let attributes = attributes.into_iter().collect::<Result<_, _>>();
        let attributes: Vec<_> = attributes.map_err(invalid)?;
        let create = CreateGlobalSecondaryIndexAction::builder()
            .index_name(wire::index_name(index))
            .set_key_schema(Some(index_keys(index).map_err(invalid)?))
            .projection(everything())
            .build()
            .map_err(invalid)?;
        aws.call(Action::UPDATE_TABLE, |aws| {
            aws.dynamodb
                .update_table()
                .table_name(&self.name)
                .set_attribute_definitions(Some(attributes))
                .global_secondary_index_updates(
                    GlobalSecondaryIndexUpdate::builder().create(create).build(),
                )
                .send()
        })
        .await
        .map(drop)
    }

    async fn expiry(
        &self,
        aws: &Connection,
    ) -> Result<Option<TimeToLiveDescription>, ServiceError> {
        let described = aws
            .call(Action::DESCRIBE_TTL, |aws| {
                let describe = aws.dynamodb.describe_time_to_live();
                describe.table_name(&self.name).send()
            })
            .await?;
        Ok(described.time_to_live_description)
    }

    async fn remove_expired(&self, aws: &Connection) -> Result<(), ServiceError> {
        let expiry = TimeToLiveSpecification::builder()
            .attribute_name(wire::EXPIRES)
            .enabled(true)
            .build()
            .map_err(|_| unbuilt(Action::UPDATE_TTL))?;
        aws.call(Action::UPDATE_TTL, |aws| {
            let update = aws.dynamodb.update_time_to_live();
            update
                .table_name(&self.name)
                .time_to_live_specification(expiry)
                .send()
        })
        .await
        .map(drop)
    }
}

/// A request without a part that it must have.
fn unbuilt(action: Action) -> ServiceError {
    action.failed("the request cannot be made", Kind::Rejected)
}

fn attribute(name: &str) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()
}

fn key(name: &str, role: KeyType) -> Result<KeySchemaElement, BuildError> {
    KeySchemaElement::builder()
        .attribute_name(name)
        .key_type(role)
        .build()
}

fn index_keys(index: Index) -> Result<Vec<KeySchemaElement>, BuildError> {
    let place = wire::place_name(index);
    Ok(vec![
        key(wire::PARTITION, KeyType::Hash)?,
        key(place, KeyType::Range)?,
    ])
}

fn everything() -> Projection {
    Projection::builder()
        .projection_type(ProjectionType::All)
        .build()
}

fn has_key(table: &TableDescription) -> bool {
    matches!(table.key_schema(), [key]
        if key.attribute_name == wire::KEY && key.key_type == KeyType::Hash)
}

fn index_of(table: &TableDescription, index: Index) -> Option<&GlobalSecondaryIndexDescription> {
    let mut indexes = table.global_secondary_indexes().iter();
    indexes.find(|found| found.index_name() == Some(wire::index_name(index)))
}

fn is_whole(found: &GlobalSecondaryIndexDescription, index: Index) -> bool {
    let projection = found.projection.as_ref();
    let has_all = projection
        .is_some_and(|projection| projection.projection_type == Some(ProjectionType::All));
    has_all
        && matches!(found.key_schema(), [partition, place]
            if partition.attribute_name == wire::PARTITION
                && place.attribute_name == wire::place_name(index))
}

fn is_active(found: &GlobalSecondaryIndexDescription) -> bool {
    found.index_status == Some(IndexStatus::Active)
}

fn removes(expiry: Option<&TimeToLiveDescription>) -> bool {
    expiry.is_some_and(|expiry| {
        let status = expiry.time_to_live_status.as_ref();
        expiry.attribute_name() == Some(wire::EXPIRES)
            && matches!(
                status,
                Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)
            )
    })
}
