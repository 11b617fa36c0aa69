//! The things that a twin needs in its project, and how each is made and looked at.

use std::{fmt, time::Duration};

use reqwest::Method;
use serde::de::IgnoredAny;
use twin_documents::{Kind, Problem, ServiceError, Table};

use super::resource::{Database, Exemption, Indexes, Subscription, Topic, index};
use crate::{
    names::Names,
    schema::{COMPOSITES, Composite, EXPIRES, collection, direction, field, fields},
    service::{Call, Service},
};

/// Administration is slower than data.
const LIMIT: Duration = Duration::from_secs(30);

const fn admin(action: &'static str) -> Call {
    Call {
        action,
        limit: LIMIT,
    }
}

const NOT_NATIVE: Problem = Problem::differs("it is not in Native mode");
const OTHER_TOPIC: Problem = Problem::differs("it belongs to another topic");

/// One thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The database, by its full name.
    Database(String),
    /// A composite index.
    Index(Composite),
    /// A field without indexes of its own. At the time in `expires` Firestore removes the document.
    Field(Table, &'static str),
    /// A topic, by its full name.
    Topic(String),
    /// A subscription to a topic, both by their full names.
    Subscription { name: String, topic: String },
}

impl Part {
    pub(super) fn all(names: &Names) -> Vec<Self> {
        let fields = Table::ALL
            .into_iter()
            .flat_map(|table| fields(table).map(move |field| Self::Field(table, field)));
        std::iter::once(Self::Database(names.database.clone()))
            // First the exemptions: nothing is indexed twice while the indexes are built.
            .chain(fields)
            .chain(COMPOSITES.map(Self::Index))
            .chain([
                Self::Topic(names.error_topic.clone()),
                Self::Topic(names.dead_letter_topic.clone()),
                Self::Subscription {
                    name: names.dead_letter_subscription.clone(),
                    topic: names.dead_letter_topic.clone(),
                },
            ])
            .collect()
    }

    /// What is wrong if it is not there.
    pub(super) const fn missing(&self) -> Problem {
        match self {
            Self::Database(_) => Problem::differs("it does not exist: create it in Native mode"),
            _ => Problem::Missing,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(name) => write!(formatter, "Firestore database {name}"),
            Self::Index(Composite {
                table,
                index,
                descending,
            }) => write!(
                formatter,
                "Firestore index of {}: partition ASCENDING, {} {}",
                collection(*table),
                field(*index),
                direction(*descending)
            ),
            Self::Field(table, field) => {
                let expires = if *field == EXPIRES {
                    ", time to live"
                } else {
                    ""
                };
                let table = collection(*table);
                write!(
                    formatter,
                    "Firestore field {table}.{field}: not indexed by itself{expires}"
                )
            }
            Self::Topic(name) => write!(formatter, "Pub/Sub topic {name}"),
            Self::Subscription { name, .. } => write!(formatter, "Pub/Sub subscription {name}"),
        }
    }
}

/// The project's services.
pub(super) struct Project {
    pub(super) firestore: Service,
    pub(super) pubsub: Service,
    pub(super) names: Names,
}

impl Project {
    /// Makes a thing, unless it is there. True if it was made.
    pub(super) async fn make(&self, part: &Part) -> Result<bool, ServiceError> {
        match part {
            // It is not made, only looked for: nothing else can be made without it.
            Part::Database(_) => match self.look(part).await? {
                None => Ok(false),
                Some(_) => {
                    let code = "not a database in Native mode".to_owned();
                    let call = admin("datastore.databases.getMetadata");
                    Err(self.firestore.failed(call, (code, Kind::Missing)))
                }
            },
            Part::Index(composite) => {
                let path = self.group(composite.table, "indexes");
                let call = admin("datastore.indexes.create");
                created(self.firestore.post(call, &path, &index(composite)).await)
            }
            Part::Field(table, field) => self.exempt(part, *table, field).await,
            Part::Topic(name) => {
                self.put(admin("pubsub.topics.create"), name, &Topic {})
                    .await
            }
            Part::Subscription { name, topic } => {
                let call = admin("pubsub.subscriptions.create");
                self.put(call, name, &Subscription::to(topic)).await
            }
        }
    }

    /// Looks at a thing. What is missing may also be an error of that kind.
    pub(super) async fn look(&self, part: &Part) -> Result<Option<Problem>, ServiceError> {
        match part {
            Part::Database(name) => {
                let call = admin("datastore.databases.getMetadata");
                let database: Database = self.firestore.get(call, name).await?;
                Ok((!database.is_native()).then_some(NOT_NATIVE))
            }
            Part::Index(composite) => {
                let call = admin("datastore.indexes.list");
                let path = self.group(composite.table, "indexes?pageSize=1000");
                let indexes: Indexes = self.firestore.get(call, &path).await?;
                Ok(indexes.problem_with(composite))
            }
            Part::Field(table, field) => {
                let call = admin("datastore.indexes.get");
                let path = self.group(*table, &format!("fields/{field}"));
                let exemption: Exemption = self.firestore.get(call, &path).await?;
                Ok(exemption.problem(*field == EXPIRES))
            }
            Part::Topic(name) => {
                let topic = self.pubsub.get(admin("pubsub.topics.get"), name).await;
                topic.map(|IgnoredAny| None)
            }
            Part::Subscription { name, topic } => {
                let call = admin("pubsub.subscriptions.get");
                let subscription: Subscription = self.pubsub.get(call, name).await?;
                Ok((!subscription.is_to(topic)).then_some(OTHER_TOPIC))
            }
        }
    }

    /// A change of a field is an operation that Firestore works on for minutes: it is only begun if there is something to change.
    async fn exempt(&self, part: &Part, table: Table, field: &str) -> Result<bool, ServiceError> {
        match self.look(part).await? {
            None | Some(Problem::Building) => return Ok(false),
            Some(_) => {}
        }
        let call = admin("datastore.indexes.update");
        let lifetime = field == EXPIRES;
        let mask = if lifetime {
            "indexConfig,ttlConfig"
        } else {
            "indexConfig"
        };
        let path = self.group(table, &format!("fields/{field}?updateMask={mask}"));
        let body = self.firestore.encode(call, &Exemption::new(lifetime))?;
        let patched = self.firestore.send(call, Method::PATCH, &path, Some(body));
        created(patched.await)
    }

    async fn put(
        &self,
        call: Call,
        name: &str,
        resource: &impl serde::Serialize,
    ) -> Result<bool, ServiceError> {
        let body = self.pubsub.encode(call, resource)?;
        created(self.pubsub.send(call, Method::PUT, name, Some(body)).await)
    }

    fn group(&self, table: Table, rest: &str) -> String {
        let database = &self.names.database;
        format!("{database}/collectionGroups/{}/{rest}", collection(table))
    }
}

fn created(answer: Result<IgnoredAny, ServiceError>) -> Result<bool, ServiceError> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.kind == Kind::Conflict => Ok(false),
        Err(error) => Err(error),
    }
}
