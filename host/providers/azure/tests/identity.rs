//! Who a host is without a key: Microsoft's library over our HTTP client, against stand-ins for the service that gives tokens. The
//! environment says who it is, so each test runs itself in a process with another one.

#![cfg(test)]

mod support;

use std::process::{Command, Output};

use support::{StandIn, reply};
use twin_azure::{AzureSettings, EntraTokens};
use twin_capabilities::{IdentityTokens as _, testing::samples::entry};

/// In the process that is tested: the endpoint of Cosmos DB.
const INNER: &str = "TWIN_TEST_INNER";

/// Runs the test of this name in a process with these variables.
async fn in_environment(test: &str, cosmos: &str, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--nocapture"])
        .env_clear()
        .env(INNER, cosmos)
        .envs(variables.iter().copied());
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

/// Puts two records at once and then one more, and says how it went.
async fn put(cosmos: &str) {
    let stores = twin_azure::open(AzureSettings::new(cosmos), "factory-01");
    let stores = match stores {
        Ok(stores) => stores.stores(),
        Err(error) => return println!("opening: {error}"),
    };
    for entries in [
        vec![entry(1, "a", "a"), entry(1, "b", "b")],
        vec![entry(1, "c", "c")],
    ] {
        for outcome in stores.records.put("telemetry".to_owned(), entries).await {
            println!("put: {outcome:?}");
        }
    }
}

fn token(ends_in: u64) -> String {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let body = format!(
        r#"{{"access_token":"t0ken","expires_on":"{}","resource":"r","token_type":"Bearer"}}"#,
        now + ends_in
    );
    reply(200, &[("content-type", "application/json")], &body)
}

#[tokio::test]
async fn a_function_app_uses_its_managed_identity_and_keeps_the_token() {
    if let Ok(cosmos) = std::env::var(INNER) {
        return put(&cosmos).await;
    }
    let cosmos = StandIn::answering([reply(201, &[], "{}")]).await;
    let identity = StandIn::answering([token(3600)]).await;
    let endpoint = format!("{}/msi/token", identity.url);
    let variables = [
        ("IDENTITY_ENDPOINT", endpoint.as_str()),
        ("IDENTITY_HEADER", "a-header"),
        ("AZURE_CLIENT_ID", "a-client"),
    ];
    let test = "a_function_app_uses_its_managed_identity_and_keeps_the_token";
    let output = in_environment(test, &cosmos.url, &variables).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.matches("put: Ok(Stored").count(), 3, "{output:?}");
    let asked = identity.seen();
    assert_eq!(asked.len(), 1);
    let (_, query) = asked[0].line.split_once('?').unwrap();
    let mut query: Vec<_> = query.split('&').collect();
    query.sort_unstable();
    let expected = [
        "api-version=2019-08-01",
        "client_id=a-client",
        "resource=https%3A%2F%2Fcosmos.azure.com",
    ];
    assert_eq!(query, expected);
    assert!(asked[0].line.starts_with("GET /msi/token?"));
    assert_eq!(asked[0].header("x-identity-header"), Some("a-header"));
    for seen in cosmos.seen() {
        let authorization = seen.header("authorization");
        assert_eq!(authorization, Some("type%3Daad%26ver%3D1.0%26sig%3Dt0ken"));
    }
}

#[tokio::test]
async fn an_identity_that_is_refused_is_denied_and_one_that_is_down_unavailable() {
    if let Ok(cosmos) = std::env::var(INNER) {
        return put(&cosmos).await;
    }
    let test = "an_identity_that_is_refused_is_denied_and_one_that_is_down_unavailable";
    for (status, expected) in [(400, "400 (denied)"), (500, "500 (unavailable)")] {
        let identity = StandIn::answering([reply(status, &[], "{}")]).await;
        let variables = [
            ("IDENTITY_ENDPOINT", identity.url.as_str()),
            ("IDENTITY_HEADER", "a-header"),
        ];
        let output = in_environment(test, "http://127.0.0.1:1", &variables).await;
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(text.matches(expected).count(), 3, "{output:?}");
        // Each put asks at most once: nothing is repeated inside, and a failure counts for a second.
        assert!((1..=3).contains(&identity.seen().len()));
    }
    let variables = [
        ("IDENTITY_ENDPOINT", "http://127.0.0.1:1"),
        ("IDENTITY_HEADER", "a-header"),
    ];
    let output = in_environment(test, "http://127.0.0.1:1", &variables).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        text.matches("not reachable (unavailable)").count(),
        3,
        "{output:?}"
    );
}

#[tokio::test]
async fn an_identity_that_cannot_be_used_is_named_when_the_stores_are_opened() {
    if let Ok(cosmos) = std::env::var(INNER) {
        return put(&cosmos).await;
    }
    let test = "an_identity_that_cannot_be_used_is_named_when_the_stores_are_opened";
    let variables = [
        ("AZURE_FEDERATED_TOKEN_FILE", "/nowhere/token"),
        ("AZURE_TENANT_ID", "a-tenant"),
        ("AZURE_CLIENT_ID", "a-client"),
    ];
    let output = in_environment(test, "http://127.0.0.1:1", &variables).await;
    let text = String::from_utf8_lossy(&output.stdout);
    let expected = "opening: the identity that the environment names cannot be used";
    assert!(text.contains(expected), "{output:?}");
}

/// Fetches a token for a peer twice, and says how it went.
async fn fetch() {
    let tokens = EntraTokens::open("api://writer", None).unwrap();
    for _ in 0..2 {
        match tokens.fetch().await {
            Ok(token) => println!("token: {}", token.token.expose()),
            Err(failure) => println!("failure: {failure}"),
        }
    }
}

#[tokio::test]
async fn a_managed_identity_has_tokens_for_a_peer() {
    if std::env::var(INNER).is_ok() {
        return fetch().await;
    }
    let test = "a_managed_identity_has_tokens_for_a_peer";
    let identity = StandIn::answering([token(3600)]).await;
    let variables = [
        ("IDENTITY_ENDPOINT", identity.url.as_str()),
        ("IDENTITY_HEADER", "a-header"),
    ];
    let output = in_environment(test, "", &variables).await;
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(text.matches("token: t0ken\n").count(), 2, "{output:?}");
    let asked = identity.seen();
    assert_eq!(asked.len(), 2, "the caller remembers tokens");
    assert!(asked[0].line.contains("resource=api%3A%2F%2Fwriter"));
    assert_eq!(asked[0].header("x-identity-header"), Some("a-header"));
}

#[tokio::test]
async fn a_peer_that_the_identity_may_not_have_tokens_for_is_a_misconfiguration() {
    if std::env::var(INNER).is_ok() {
        return fetch().await;
    }
    let test = "a_peer_that_the_identity_may_not_have_tokens_for_is_a_misconfiguration";
    let identity = StandIn::answering([reply(400, &[], "{}")]).await;
    let variables = [
        ("IDENTITY_ENDPOINT", identity.url.as_str()),
        ("IDENTITY_HEADER", "a-header"),
    ];
    let output = in_environment(test, "", &variables).await;
    let text = String::from_utf8_lossy(&output.stdout);
    let expected =
        "failure: misconfigured: Microsoft Entra ID: a token for a peer failed: 400 (denied)\n";
    assert_eq!(text.matches(expected).count(), 2, "{output:?}");
}
