//! What the stores need in Azure: making it, and finding out what is missing.

use reqwest::{
    Method, Request,
    header::{CONTENT_LENGTH, HeaderValue},
};
use serde_json::{Value as Json, json};
use twin_documents::{Finding, Index, Kind, Prepared, Problem, ServiceError, Table};

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
    done.push(Prepared::new(
        database(&cosmos),
        create(&cosmos, call).await?,
    ));
    for table in Table::ALL {
        let body = definition(&cosmos, table).to_string();
        let call = Call::new(WRITE_CONTAINER, Method::POST, Resource::Containers)
            .body("application/json", body);
        done.push(Prepared::new(
            container(&cosmos, table),
            create(&cosmos, call).await?,
        ));
    }
    if let Some(copies) = &copies {
        let answer = about_copies(copies, Method::PUT, WRITE_BLOBS).await?;
        let created = answer.status.as_u16() != 409;
        if created {
            answer.success(WRITE_BLOBS)?;
        }
        done.push(Prepared::new(place(copies), created));
    }
    Ok(done)
}

/// Looks at everything that the stores need, and returns what is missing, denied or not as it should be. Changes nothing.
///
/// # Errors
/// If a setting cannot be used.
pub async fn check(settings: &AzureSettings, twin: &str) -> Result<Vec<Finding>, AzureError> {
    let Services {
        cosmos,
        event_grid,
        copies,
    } = Services::new(settings, twin)?;
    let mut findings = Vec::new();
    findings.extend(consistency(&cosmos).await);
    let clock = StoreClock(cosmos.clock.as_clock());
    let documents = CosmosDocuments { cosmos, clock };
    let is_aged = settings.kept.record_age.is_some() || settings.kept.letter_age.is_some();
    for table in Table::ALL {
        let problem = problem_of(&documents, table, is_aged).await;
        let what = || container(&documents.cosmos, table);
        findings.extend(problem.map(|problem| Finding::of(what(), problem)));
    }
    if let Some(copies) = &copies {
        let looked = about_copies(copies, Method::HEAD, READ_BLOBS).await;
        let looked = looked.and_then(|answer| answer.success(READ_BLOBS));
        let problem = looked.err().map(problem_with);
        findings.extend(problem.map(|problem| Finding::of(place(copies), problem)));
    }
    let unchecked = Problem::Unchecked("it can only be published to");
    findings.extend(event_grid.map(|_| Finding::of("Event Grid topic", unchecked)));
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
        Err(error) => error.into(),
        Ok(account) => {
            let level = account.pointer("/userConsistencyPolicy/defaultConsistencyLevel");
            let level = level.and_then(Json::as_str).unwrap_or("unknown");
            if ["Strong", "BoundedStaleness"].contains(&level) {
                return None;
            }
            differs(
                level,
                "Strong or BoundedStaleness, if several hosts use the database",
            )
        }
    };
    Some(Finding::of(
        "default consistency level of the account",
        problem,
    ))
}

fn differs(found: &str, needed: &str) -> Problem {
    Problem::Differs(format!("it is {found}, and should be {needed}").into())
}

/// What a failed look at something that [`init`] creates tells of it.
fn problem_with(error: ServiceError) -> Problem {
    match error.kind {
        Kind::Missing => Problem::Missing,
        _ => error.into(),
    }
}

/// What is wrong with a container. A query shows whether it is indexed: one of an order that is not fails.
async fn problem_of(documents: &CosmosDocuments, table: Table, is_aged: bool) -> Option<Problem> {
    let container = match metadata(&documents.cosmos, Resource::Container(table)).await {
        Ok(container) => container,
        Err(error) => return Some(problem_with(error)),
    };
    let paths = container.pointer("/partitionKey/paths");
    let paths = paths.unwrap_or(&Json::Null);
    if *paths != json!([PARTITION]) {
        let found = format!("partitioned by {paths}");
        return Some(differs(&found, "partitioned by [\"/partition\"]"));
    }
    if is_aged && container.get("defaultTtl").is_none_or(Json::is_null) {
        return Some(differs(
            "without times to live",
            "with a default time to live of -1, so that items can have one",
        ));
    }
    let indexes: &[Index] = match table {
        Table::DeadLetters => &[Index::Order, Index::Queue],
        _ => &[Index::Order],
    };
    for index in indexes {
        if let Err(error) = documents.select(table, *index).await {
            return Some(error.into());
        }
    }
    None
}
