//! What a twin needs in an account: tables with their indexes, a queue, a bus. A host never makes any of it, and needs no permission
//! to; `init` does, before the first host starts.

mod bus;
mod queue;
mod tables;

use futures_util::future::join_all;
use twin_documents::{Finding, Prepared, Problem, ServiceClock, ServiceError, Table};

use self::{bus::Bus, queue::TwinQueue, tables::TwinTable};
use crate::{
    connection::Connection,
    error::is_absent,
    settings::{AwsSettings, Names},
};

/// What a failed look at something tells of it.
fn failed(what: impl Into<String>, error: ServiceError) -> Finding {
    if is_absent(&error) {
        Finding::of(what, Problem::Missing)
    } else {
        Finding::of(what, error)
    }
}

/// What a twin needs.
struct Needs {
    connection: Connection,
    tables: [TwinTable; 4],
    queue: TwinQueue,
    bus: Bus,
}

impl Needs {
    fn of(settings: &AwsSettings, twin: &str) -> Self {
        let names = Names::of(settings, twin);
        Self {
            connection: Connection::new(settings.clone(), ServiceClock::default()),
            tables: Table::ALL.map(|table| TwinTable::of(table, &names)),
            queue: TwinQueue::of(settings, &names),
            bus: Bus::of(settings),
        }
    }
}

/// Makes what a twin needs and what is not there yet, and waits until it can be used. What is there stays, with its data.
///
/// It needs the permissions of [`check`], and `dynamodb:CreateTable`, `dynamodb:UpdateTable`, `dynamodb:UpdateTimeToLive`,
/// `sqs:CreateQueue` and `events:CreateEventBus` for what it makes.
///
/// # Errors
/// The first failure. What was made until then remains; `init` can be repeated.
pub async fn init(settings: &AwsSettings, twin: &str) -> Result<Vec<Prepared>, ServiceError> {
    let needs = Needs::of(settings, twin);
    let tables = needs.tables.iter();
    let tables = join_all(tables.map(|table| table.init(&needs.connection))).await;
    let mut prepared = Vec::new();
    for table in tables {
        prepared.extend(table?);
    }
    prepared.extend(needs.queue.init(&needs.connection).await?);
    prepared.extend(needs.bus.init(&needs.connection).await?);
    Ok(prepared)
}

/// Says what [`init`] makes if nothing of it is there, without asking AWS.
#[must_use]
pub fn plan(settings: &AwsSettings, twin: &str) -> Vec<String> {
    let needs = Needs::of(settings, twin);
    let tables = needs.tables.iter().flat_map(TwinTable::plan);
    tables
        .chain(needs.queue.plan())
        .chain(needs.bus.plan())
        .collect()
}

/// Looks at everything that a twin needs, and returns what is wrong with it. Changes nothing.
///
/// It needs `dynamodb:DescribeTable`, `dynamodb:DescribeTimeToLive`, `events:DescribeEventBus`, and `sqs:GetQueueUrl` for a queue that
/// is known by its name or `sqs:GetQueueAttributes` for one that is known by its URL.
pub async fn check(settings: &AwsSettings, twin: &str) -> Vec<Finding> {
    let needs = Needs::of(settings, twin);
    let tables = needs.tables.iter();
    let tables = join_all(tables.map(|table| table.check(&needs.connection))).await;
    let mut findings = tables.concat();
    findings.extend(needs.queue.check(&needs.connection).await);
    findings.extend(needs.bus.check(&needs.connection).await);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeadLetterQueue;

    #[test]
    fn a_plan_names_everything_that_is_made() {
        let mut settings = AwsSettings::new();
        assert_eq!(
            plan(&settings, "factory.01"),
            [
                "table `factory.01-messages` with the key `key`, billed by request",
                "index `by-order` of table `factory.01-messages` by `partition` and `order`",
                "removal of items of table `factory.01-messages` after the time in `expires`",
                "table `factory.01-system-errors` with the key `key`, billed by request",
                "index `by-order` of table `factory.01-system-errors` by `partition` and `order`",
                "removal of items of table `factory.01-system-errors` after the time in `expires`",
                "table `factory.01-dead-letters` with the key `key`, billed by request",
                "index `by-order` of table `factory.01-dead-letters` by `partition` and `order`",
                "index `by-queue` of table `factory.01-dead-letters` by `partition` and `queue`",
                "removal of items of table `factory.01-dead-letters` after the time in `expires`",
                "table `factory.01-state` with the key `key`, billed by request",
                "index `by-order` of table `factory.01-state` by `partition` and `order`",
                "removal of items of table `factory.01-state` after the time in `expires`",
                "queue `factory-01-dead-letters`, which keeps messages for 14 days",
            ]
        );
        settings.event_bus = "errors".to_owned();
        settings.dead_letter_queue = DeadLetterQueue::None;
        let last = plan(&settings, "factory.01").pop();
        assert_eq!(last.as_deref(), Some("event bus `errors`"));
        // What may be another account's is used as it is.
        let arn = "arn:aws:events:eu-central-1:123456789012:event-bus/errors";
        settings.event_bus = arn.to_owned();
        let url = "https://sqs.eu-central-1.amazonaws.com/123456789012/letters";
        settings.dead_letter_queue = DeadLetterQueue::Url(url.to_owned());
        assert_eq!(plan(&settings, "factory.01").len(), 13);
    }
}
