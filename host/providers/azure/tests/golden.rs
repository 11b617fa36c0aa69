//! Golden requests: what Event Grid, Key Vault, Cosmos DB and Blob Storage are sent, field by field. Event Grid and Key Vault have
//! no emulator; these are the requests that Microsoft's own SDKs for Python sent to a recorder (azure-eventgrid 4.22,
//! azure-keyvault-secrets 4.12, azure-cosmos 4.17), where the names of the tests say so.

#![cfg(test)]

mod support;

use serde_json::{Value as Json, json};
use support::{Fixed, KEY, Seen, StandIn, reply};
use twin_azure::{AzureSettings, KeyVault, KeyVaultSecret, KeyVaultSettings};
use twin_capabilities::{
    Failure, Stores,
    error_topic::{Severity, SystemError},
    secrets::Secret,
    testing::{
        ManualClock,
        samples::{entry, letter},
    },
};
use twin_documents::Kind;
use uuid::{Uuid, Version};

const TWIN: &str = "factory-01";

fn open(settings: AzureSettings) -> Stores {
    let clock = ManualClock::new().as_clock();
    twin_azure::open_at(settings, TWIN, clock).unwrap().stores()
}

fn damage() -> SystemError {
    SystemError {
        twin_id: TWIN.to_owned(),
        cloud_provider: "azure".to_owned(),
        severity: Severity::Warning,
        component: "L1-Connector".to_owned(),
        error_code: "DELIVERY_DEAD_LETTERED".to_owned(),
        message: "2 letters".to_owned(),
        timestamp: "2026-01-01T00:00:00Z".to_owned(),
        raw_data: None,
    }
}

async fn published(key: Option<&str>) -> Seen {
    let topic = StandIn::answering([reply(200, &[], "")]).await;
    let mut settings = AzureSettings::new("http://127.0.0.1:1");
    settings.key = Some(Secret::new(KEY));
    settings.topic_endpoint = Some(topic.url.clone());
    settings.topic_key = key.map(Secret::new);
    settings.credential = Some(Fixed::new());
    assert_eq!(open(settings).error_topic.publish(damage()).await, Ok(()));
    topic.seen().remove(0)
}

#[tokio::test]
async fn event_grid_recorded_request_with_a_key() {
    let seen = published(Some("a-key")).await;
    assert_eq!(seen.line, "POST /api/events?api-version=2018-01-01");
    let content_type = "application/cloudevents-batch+json; charset=utf-8";
    assert_eq!(seen.header("content-type"), Some(content_type));
    assert_eq!(seen.header("aeg-sas-key"), Some("a-key"));
    assert_eq!(seen.header("authorization"), None);
    let mut events: Vec<Json> = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(events.len(), 1);
    let id = events[0].as_object_mut().unwrap().remove("id").unwrap();
    let id = Uuid::parse_str(id.as_str().unwrap()).unwrap();
    assert_eq!(id.get_version(), Some(Version::SortRand));
    let expected = json!({
        "specversion": "1.0",
        "source": "twin2multicloud.l1-connector",
        "type": "Error",
        "subject": TWIN,
        "time": "2026-01-01T00:00:00Z",
        "datacontenttype": "application/json",
        "data": {
            "twin_id": TWIN,
            "cloud_provider": "azure",
            "severity": "WARNING",
            "component": "L1-Connector",
            "error_code": "DELIVERY_DEAD_LETTERED",
            "message": "2 letters",
            "timestamp": "2026-01-01T00:00:00Z",
        },
    });
    assert_eq!(events[0], expected);
}

#[tokio::test]
async fn event_grid_recorded_request_with_a_token() {
    let seen = published(None).await;
    assert_eq!(seen.header("authorization"), Some("Bearer the-token"));
    assert_eq!(seen.header("aeg-sas-key"), None);
}

#[tokio::test]
async fn event_grid_is_not_sent_more_than_it_takes() {
    let mut settings = AzureSettings::new("http://127.0.0.1:1");
    settings.key = Some(Secret::new(KEY));
    settings.topic_endpoint = Some("http://127.0.0.1:1".to_owned());
    settings.topic_key = Some(Secret::new("k"));
    let large = SystemError {
        message: "x".repeat(1 << 20),
        ..damage()
    };
    assert_eq!(
        open(settings).error_topic.publish(large).await,
        Err(Failure::TooLarge)
    );
}

fn key_vault(endpoint: &str, identity: std::sync::Arc<Fixed>) -> KeyVault {
    let mut settings = KeyVaultSettings::default();
    settings.endpoint = Some(endpoint.to_owned());
    settings.credential = Some(identity);
    KeyVault::open(settings).unwrap()
}

#[tokio::test]
async fn key_vault_recorded_request() {
    let answer =
        r#"{"value":"s3cret","id":"https://v.vault.azure.net/secrets/a/0f","attributes":{}}"#;
    let vault = StandIn::answering([reply(200, &[], answer)]).await;
    let identity = Fixed::new();
    let key_vault = key_vault(&vault.url, identity.clone());
    for (reference, line) in [
        (
            "https://v.vault.azure.net/secrets/a",
            "GET /secrets/a/?api-version=2026-04-01",
        ),
        (
            "https://v.vault.azure.net/secrets/a/0f",
            "GET /secrets/a/0f?api-version=2026-04-01",
        ),
        (
            "https://v.vault.azure.cn/secrets/a",
            "GET /secrets/a/?api-version=2026-04-01",
        ),
    ] {
        let reference: KeyVaultSecret = reference.parse().unwrap();
        let secret = key_vault.fetch(&reference).await.unwrap();
        assert_eq!(secret.expose(), "s3cret");
        let seen = vault.seen().pop().unwrap();
        assert_eq!(seen.line, line);
        assert_eq!(seen.header("authorization"), Some("Bearer the-token"));
    }
    // A token for each cloud, and each only once.
    let scopes = [
        "https://vault.azure.net/.default",
        "https://vault.azure.cn/.default",
    ];
    assert_eq!(identity.asked(), scopes);
}

#[tokio::test]
async fn key_vault_refusals_are_named() {
    let reference: KeyVaultSecret = "https://v.vault.azure.net/secrets/a".parse().unwrap();
    for (status, kind) in [
        (401, Kind::Denied),
        (403, Kind::Denied),
        (404, Kind::Missing),
        (429, Kind::Throttled(None)),
        (500, Kind::Unavailable),
    ] {
        let vault = StandIn::answering([reply(status, &[], "{}")]).await;
        let error = key_vault(&vault.url, Fixed::new())
            .fetch(&reference)
            .await
            .unwrap_err();
        assert_eq!((error.kind, error.code), (kind, status.to_string()));
    }
    let error = key_vault("http://127.0.0.1:1", Fixed::refusing())
        .fetch(&reference)
        .await;
    assert_eq!(error.unwrap_err().kind, Kind::Denied);
}

/// Puts a record, finds it there, and reads it.
async fn record_requests(settings: impl FnOnce(&mut AzureSettings)) -> Vec<Seen> {
    let there = r#"{"id":"a","partition":"p","order":"0","_etag":"1",
        "fields":{"digest":"4-Some(98)","stored_at":1}}"#;
    let session = [("x-ms-session-token", "0:-1#7")];
    let replies = [reply(409, &session, "{}"), reply(200, &session, there)];
    let cosmos = StandIn::answering(replies).await;
    let mut given = AzureSettings::new(&cosmos.url);
    settings(&mut given);
    let put = open(given)
        .records
        .put("telemetry".to_owned(), vec![entry(1, "a", "body")])
        .await;
    assert!(matches!(put[..], [Ok(_)]), "{put:?}");
    cosmos.seen()
}

#[tokio::test]
async fn cosmos_recorded_create_and_read_with_a_key() {
    let seen = record_requests(|settings| settings.key = Some(Secret::new(KEY))).await;
    let [create, read] = &seen[..] else {
        panic!("{seen:?}");
    };
    assert_eq!(create.line, "POST /dbs/factory-01/colls/Messages/docs");
    let partition = r#"["factory-01/telemetry/device-1#0"]"#;
    assert_eq!(
        create.header("x-ms-documentdb-partitionkey"),
        Some(partition)
    );
    assert_eq!(create.header("content-type"), Some("application/json"));
    assert_eq!(create.header("x-ms-version"), Some("2020-07-15"));
    assert_eq!(create.header("x-ms-documentdb-is-upsert"), None);
    assert_eq!(create.header("x-ms-session-token"), None);
    let date = create.header("x-ms-date").unwrap();
    assert!(httpdate::parse_http_date(date).is_ok(), "{date}");
    let authorization = create.header("authorization").unwrap();
    let signature = authorization
        .strip_prefix("type%3Dmaster%26ver%3D1.0%26sig%3D")
        .unwrap();
    // 32 bytes in Base64 end in one `=`.
    assert!(
        signature.ends_with("%3D") && signature.len() >= 44 + 2,
        "{signature}"
    );
    let document = create.json();
    assert_eq!(document["partition"], "factory-01/telemetry/device-1#0");
    assert_eq!(document["order"], "8000000000000001a");
    assert_eq!(document["fields"]["body"], "body");
    assert_eq!(document["ttl"], Json::Null);
    let id = document["id"].as_str().unwrap();
    assert_eq!(id.len(), 64);

    assert_eq!(
        read.line,
        format!("GET /dbs/factory-01/colls/Messages/docs/{id}")
    );
    assert_eq!(read.header("x-ms-documentdb-partitionkey"), Some(partition));
    // The refusal was by the newest state; the read must be as new.
    assert_eq!(read.header("x-ms-session-token"), Some("0:-1#7"));
}

#[tokio::test]
async fn cosmos_request_with_a_token_and_a_time_to_live() {
    let seen = record_requests(|settings| {
        settings.credential = Some(Fixed::new());
        settings.kept.record_age = Some(std::time::Duration::from_millis(1500));
        settings.database = Some("other".to_owned());
        settings.containers.messages = "Readings of all".to_owned();
    });
    let create = seen.await.remove(0);
    assert_eq!(
        create.line,
        "POST /dbs/other/colls/Readings%20of%20all/docs"
    );
    let authorization = create.header("authorization");
    assert_eq!(
        authorization,
        Some("type%3Daad%26ver%3D1.0%26sig%3Dthe-token")
    );
    assert_eq!(create.json()["ttl"], 2);
}

#[tokio::test]
async fn cosmos_recorded_query_replace_and_delete() {
    let there = r#"{"id":"a","partition":"p","order":"8000000000000001a","queue":"0000000000000001a","_etag":"\"e-1\"",
        "fields":{"letter_id":"a","id":"m","peer":"writer","envelope":"e","attempts":"[]","first_failure_at":1,
        "last_failure_at":1,"stored_at":1}}"#;
    let page = format!(r#"{{"_rid":"r","Documents":[{there}],"_count":1}}"#);
    let replies = [
        reply(200, &[], &page),
        reply(200, &[], there),
        reply(200, &[], there),
    ];
    let cosmos = StandIn::answering(replies).await;
    let mut settings = AzureSettings::new(&cosmos.url);
    settings.key = Some(Secret::new(KEY));
    let selection = twin_capabilities::dead_letters::Selection {
        letter_id: Some("a".to_owned()),
        ..Default::default()
    };
    let taken = open(settings)
        .dead_letters
        .take(selection, None, 1, 1000)
        .await
        .unwrap();
    assert_eq!(taken.leases.len(), 1);
    let seen = cosmos.seen();
    let query = &seen[0];
    assert_eq!(query.line, "POST /dbs/factory-01/colls/DeadLetters/docs");
    assert_eq!(query.header("content-type"), Some("application/query+json"));
    assert_eq!(query.header("x-ms-documentdb-isquery"), Some("true"));
    assert_eq!(query.header("x-ms-max-item-count"), Some("1"));
    let expected = json!({
        "query": r#"SELECT * FROM c WHERE c['queue'] >= @from AND c['queue'] < @to ORDER BY c['queue'] DESC"#,
        "parameters": [{ "name": "@from", "value": "0" }, { "name": "@to", "value": "g" }],
    });
    assert_eq!(query.json(), expected);
    let replace = seen.last().unwrap();
    assert_eq!(replace.line, "PUT /dbs/factory-01/colls/DeadLetters/docs/a");
    assert_eq!(replace.header("if-match"), Some("\"e-1\""));
    assert_eq!(
        replace.json()["fields"]["receipt"],
        taken.leases[0].receipt.as_str()
    );
}

#[tokio::test]
async fn blob_request_for_a_copy_with_a_token() {
    let empty = reply(200, &[], r#"{"Documents":[]}"#);
    let cosmos = StandIn::answering([empty, reply(201, &[], "{}")]).await;
    let storage = StandIn::answering([reply(201, &[], "")]).await;
    let mut settings = AzureSettings::new(&cosmos.url);
    settings.key = Some(Secret::new(KEY));
    settings.storage_endpoint = Some(Secret::new(&storage.url));
    settings.credential = Some(Fixed::new());
    open(settings).dead_letters.push(letter("a")).await.unwrap();
    let copy = storage.seen().remove(0);
    assert_eq!(copy.line, "PUT /dead-letters/factory-01/a.json");
    assert_eq!(copy.header("authorization"), Some("Bearer the-token"));
    assert_eq!(copy.header("x-ms-blob-type"), Some("BlockBlob"));
    assert_eq!(copy.header("x-ms-version"), Some("2021-12-02"));
    assert_eq!(copy.header("if-none-match"), Some("*"));
    assert_eq!(copy.json()["letter_id"], "a");
}

#[tokio::test]
async fn init_sends_what_plan_says() {
    let service = StandIn::answering([reply(201, &[], "{}")]).await;
    let mut settings = AzureSettings::new(&service.url);
    settings.key = Some(Secret::new(KEY));
    settings.throughput = std::num::NonZeroU32::new(1000);
    settings.storage_endpoint = Some(Secret::new(format!("{}/?sig=s3cret", service.url)));
    settings.topic_endpoint = Some("http://127.0.0.1:1".to_owned());
    let plan = twin_azure::plan(&settings, TWIN).unwrap();
    assert_eq!(plan.len(), 7);
    assert!(!plan.concat().contains("s3cret"), "{plan:?}");
    assert_eq!(service.seen().len(), 0);

    let done = twin_azure::init(&settings, TWIN).await.unwrap();
    assert_eq!(done.len(), 6);
    let seen = service.seen();
    assert_eq!(seen[0].line, "POST /dbs");
    assert_eq!(seen[0].json(), json!({ "id": TWIN }));
    let autoscale = seen[0].header("x-ms-cosmos-offer-autopilot-settings");
    assert_eq!(autoscale, Some(r#"{"maxThroughput":1000}"#));
    for (line, container) in plan[1..5].iter().zip(&seen[1..5]) {
        assert_eq!(container.line, "POST /dbs/factory-01/colls");
        let (_, definition) = line.split_once(": ").unwrap();
        let definition: Json = serde_json::from_str(definition).unwrap();
        assert_eq!(container.json(), definition);
        assert_eq!(definition["partitionKey"]["paths"], json!(["/partition"]));
        assert_eq!(definition["defaultTtl"], -1);
    }
    let letters = seen[3].json();
    assert_eq!(letters["id"], "DeadLetters");
    let indexed = &letters["indexingPolicy"]["includedPaths"];
    let expected =
        json!([{ "path": "/partition/?" }, { "path": "/order/?" }, { "path": "/queue/?" }]);
    assert_eq!(*indexed, expected);
    assert_eq!(
        seen[5].line,
        "PUT /dead-letters?sig=s3cret&restype=container"
    );
    assert_eq!(seen[5].header("content-length"), Some("0"));
}
