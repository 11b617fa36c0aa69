//! What the stores need in Azure: making it, and finding out what is missing.

use std::fmt;

use reqwest::{
    Method, Request,
    header::{CONTENT_LENGTH, HeaderValue},
};
use serde_json::{Value as Json, json};
use twin_documents::{Index, ServiceError, Table};

use crate::{
    connection::Services,
    copies::{Copies, VERSION},
    documents::{
        CosmosDocuments, StoreClock,
        calls::{Call, Cosmos, Resource},
    },
    error::AzureError,
    http::{self, CALL_LIMIT, Called},
    settings::AzureSettings,
};

const READ_METADATA: &str = "Microsoft.DocumentDB/databaseAccounts/readMetadata";
const WRITE_DATABASE: &str = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/write";
const WRITE_CONTAINER: &str = "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/write";
const WRITE_BLOBS: Called = Called {
    service: "Blob Storage",
    action: "Microsoft.Storage/storageAccounts/blobServices/containers/write",
};
const READ_BLOBS: Called = Called {
    service: "Blob Storage",
    action: "Microsoft.Storage/storageAccounts/blobServices/containers/read",
};

/// Something that the stores need, and that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// What it is: `container Messages in database factory-01`.
    pub what: String,
    /// Whether it was created just now.
    pub is_new: bool,
}

impl fmt::Display for Prepared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.is_new { "created" } else { "was there" };
        write!(formatter, "{}: {state}", self.what)
    }
}

/// Something that [`check`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub what: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with something that the stores need.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The service refused to show it, or it is not there: see the kind.
    Failed(ServiceError),
    /// It is there, but not as the stores need it.
    Differs {
        /// What it is.
        found: String,
        /// What it should be.
        needed: &'static str,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, problem } = self;
        match problem {
            Problem::Failed(error) => write!(formatter, "{what}: {error}"),
            Problem::Differs { found, needed } => {
                write!(formatter, "{what}: is {found}, and should be {needed}")
            }
        }
    }
}

/// What [`init`] would create, as lines of text. Nothing is sent.
///
/// # Errors
/// If a setting cannot be used.
pub fn plan(settings: &AzureSettings, twin: &str) -> Result<Vec<String>, AzureError> {
    let services = Services::new(settings, twin)?;
    let mut lines = vec![match settings.throughput {
        Some(most) => format!("{} (at most {most} RU/s)", database(&services.cosmos)),
        None => database(&services.cosmos),
    }];
    lines.extend(Table::ALL.map(|table| {
        let definition = definition(&services.cosmos, table);
        format!("{}: {definition}", container(&services.cosmos, table))
    }));
    lines.extend(services.copies.as_ref().map(place));
    if let Some(topic) = &settings.topic_endpoint {
        lines.push(format!(
            "not by this command: Event Grid topic {topic}, input schema CloudEventSchemaV1_0, and its subscription"
        ));
    }
    Ok(lines)
}

/// Creates what is missing: the database, its containers, and the container for copies of dead letters. What is there stays as it
/// is. An Event Grid topic is made by a deployment: its data interface cannot create one.
///
/// # Errors
/// If a setting cannot be used ([`AzureError::SettingInvalid`]), or the first failure of a service
/// ([`AzureError::Refused`]). An identity of Microsoft Entra ID is denied (`403/5300`): a key of the account is needed.
pub async fn init(settings: &AzureSettings, twin: &str) -> Result<Vec<Prepared>, AzureError> {
    let Services { cosmos, copies, .. } = Services::new(settings, twin)?;
    let mut done = Vec::new();
    let body = json!({ "id": cosmos.names.database });
    let mut call = Call::new(WRITE_DATABASE, Method::POST, Resource::Databases)
        .body("application/json", body.to_string());
    if let Some(most) = settings.throughput {
        let autoscale = json!({ "maxThroughput": most });
        call = call.header(
            "x-ms-cosmos-offer-autopilot-settings",
            autoscale.to_string(),
        );
    }
    done.push(Prepared {
        what: database(&cosmos),
        is_new: create(&cosmos, call).await?,
    });
    for table in Table::ALL {
        let body = definition(&cosmos, table).to_string();
        let call = Call::new(WRITE_CONTAINER, Method::POST, Resource::Containers)
            .body("application/json", body);
        done.push(Prepared {
            what: container(&cosmos, table),
            is_new: create(&cosmos, call).await?,
        });
    }
    if let Some(copies) = &copies {
        let answer = about_copies(copies, Method::PUT, WRITE_BLOBS).await?;
        let is_new = answer.status.as_u16() != 409;
        if is_new {
            answer.success(WRITE_BLOBS)?;
        }
        done.push(Prepared {
            what: place(copies),
            is_new,
        });
    }
    Ok(done)
}

/// Looks at everything that the stores need, and returns what is missing, denied or not as it should be. Changes nothing. Event
/// Grid cannot be looked at: a topic can only be published to.
///
/// # Errors
/// If a setting cannot be used.
pub async fn check(settings: &AzureSettings, twin: &str) -> Result<Vec<Finding>, AzureError> {
    let Services { cosmos, copies, .. } = Services::new(settings, twin)?;
    let mut findings = Vec::new();
    findings.extend(consistency(&cosmos).await);
    let clock = StoreClock(cosmos.clock.as_clock());
    let documents = CosmosDocuments {
        cosmos,
        clock,
        copies: None,
    };
    let is_aged = settings.record_age.is_some() || settings.letter_age.is_some();
    for table in Table::ALL {
        let problem = problem_of(&documents, table, is_aged).await;
        findings.extend(problem.map(|problem| Finding {
            what: container(&documents.cosmos, table),
            problem,
        }));
    }
    if let Some(copies) = &copies {
        let looked = about_copies(copies, Method::HEAD, READ_BLOBS).await;
        let looked = looked.and_then(|answer| answer.success(READ_BLOBS));
        findings.extend(looked.err().map(|error| Finding {
            what: place(copies),
            problem: Problem::Failed(error),
        }));
    }
    Ok(findings)
}

fn database(cosmos: &Cosmos) -> String {
    format!("database {}", cosmos.names.database)
}

fn container(cosmos: &Cosmos, table: Table) -> String {
    let names = &cosmos.names;
    format!(
        "container {} in database {}",
        names.container(table),
        names.database
    )
}

fn place(copies: &Copies) -> String {
    format!("container {:?}", copies.container)
}

/// A container. Only what queries ask for is indexed: every other index would cost a part of each write.
fn definition(cosmos: &Cosmos, table: Table) -> Json {
    let mut paths = vec![
        json!({ "path": "/partition/?" }),
        json!({ "path": "/order/?" }),
    ];
    if table == Table::DeadLetters {
        paths.push(json!({ "path": "/queue/?" }));
    }
    json!({
        "id": cosmos.names.container(table),
        // The second version hashes all of the key and not only its first 101 bytes.
        "partitionKey": { "paths": [PARTITION], "kind": "Hash", "version": 2 },
        // Items live for ever unless they say otherwise.
        "defaultTtl": -1,
        "indexingPolicy": {
            "indexingMode": "consistent",
            "automatic": true,
            "includedPaths": paths,
            "excludedPaths": [{ "path": "/*" }],
        },
    })
}

const PARTITION: &str = "/partition";

/// Creates something of Cosmos DB; false if it is there already.
async fn create(cosmos: &Cosmos, call: Call<'_>) -> Result<bool, ServiceError> {
    let answer = cosmos.answer(&call).await?;
    if answer.status.as_u16() == 409 {
        return Ok(false);
    }
    answer.success(call.called()).map(|_| true)
}

async fn about_copies(
    copies: &Copies,
    method: Method,
    called: Called,
) -> Result<http::Answer, ServiceError> {
    let mut url = copies.container.0.clone();
    url.query_pairs_mut().append_pair("restype", "container");
    let mut request = Request::new(method, url);
    let headers = request.headers_mut();
    headers.insert("x-ms-version", VERSION);
    // The service refuses a PUT that does not say how long its body is, also if there is none.
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    if let Some(tokens) = &copies.tokens {
        headers.insert(reqwest::header::AUTHORIZATION, tokens.bearer(called).await?);
    }
    http::send(&copies.client, request, CALL_LIMIT, called).await
}

async fn metadata(cosmos: &Cosmos, resource: Resource<'_>) -> Result<Json, ServiceError> {
    let call = Call::new(READ_METADATA, Method::GET, resource);
    let answer = cosmos.answer(&call).await?.success(call.called())?;
    answer.json(call.called())
}

async fn consistency(cosmos: &Cosmos) -> Option<Finding> {
    let problem = match metadata(cosmos, Resource::Account).await {
        Err(error) => Problem::Failed(error),
        Ok(account) => {
            let level = account.pointer("/userConsistencyPolicy/defaultConsistencyLevel");
            let level = level.and_then(Json::as_str).unwrap_or("unknown");
            if ["Strong", "BoundedStaleness"].contains(&level) {
                return None;
            }
            Problem::Differs {
                found: level.to_owned(),
                needed: "Strong or BoundedStaleness, if several hosts use the database",
            }
        }
    };
    Some(Finding {
        what: "default consistency level of the account".to_owned(),
        problem,
    })
}

/// What is wrong with a container. A query shows whether it is indexed: one of an order that is not fails.
async fn problem_of(documents: &CosmosDocuments, table: Table, is_aged: bool) -> Option<Problem> {
    let container = match metadata(&documents.cosmos, Resource::Container(table)).await {
        Ok(container) => container,
        Err(error) => return Some(Problem::Failed(error)),
    };
    let paths = container.pointer("/partitionKey/paths");
    let paths = paths.unwrap_or(&Json::Null);
    if *paths != json!([PARTITION]) {
        return Some(Problem::Differs {
            found: format!("partitioned by {paths}"),
            needed: "partitioned by [\"/partition\"]",
        });
    }
    if is_aged && container.get("defaultTtl").is_none_or(Json::is_null) {
        return Some(Problem::Differs {
            found: "without times to live".to_owned(),
            needed: "with a default time to live of -1, so that items can have one",
        });
    }
    let indexes: &[Index] = match table {
        Table::DeadLetters => &[Index::Order, Index::Queue],
        _ => &[Index::Order],
    };
    for index in indexes {
        if let Err(error) = documents.select(table, *index).await {
            return Some(Problem::Failed(error));
        }
    }
    None
}
