//! ID tokens by Google's credentials library, from a stand-in for the metadata server.
//!
//! The library is configured by the environment. So each test does its part in a process of its own, which is this file again.

#![cfg(test)]

mod common;

use std::process::{Command, Output};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use common::{Answer, StandIn};
use twin_capabilities::IdentityTokens as _;
use twin_gcp::IdTokens;

/// In the process of its own.
const INNER: &str = "TWIN_TEST_INNER";

const AUDIENCE: &str = "https://writer.example.com/a b";

/// Runs the part of a test in a process of its own, with this variable.
async fn run(variable: &str, value: String) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["in_a_process_of_its_own", "--exact", "--nocapture"])
        .env_clear()
        .env(INNER, "1")
        // No credentials of this machine are found.
        .env("HOME", "/nowhere")
        .env(variable, value);
    tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap()
        .unwrap()
}

/// The part in a process of its own: prints the outcome of two fetches.
#[tokio::test]
async fn in_a_process_of_its_own() {
    if std::env::var(INNER).is_err() {
        return;
    }
    let tokens = IdTokens::open(AUDIENCE);
    for _ in 0..2 {
        match tokens.fetch().await {
            Ok(token) => {
                let ends = token.expires_at.duration_since(std::time::UNIX_EPOCH);
                let ends = ends.unwrap().as_secs();
                println!("token: {} until {ends}", token.token.expose());
            }
            Err(failure) => println!("failure: {failure}"),
        }
    }
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metadata_server_issues_a_token_with_the_accounts_name_at_each_fetch() {
    // In the year 2100.
    let claims = URL_SAFE_NO_PAD.encode(r#"{"aud":"a","exp":4102444800}"#);
    let token = format!("head.{claims}.signature");
    let metadata = StandIn::always(Answer::of(200, &token)).await;
    let output = run("GCE_METADATA_HOST", metadata.address.to_string()).await;
    let said = said(&output);
    let expected = format!("token: {token} until 4102444800\n");
    assert_eq!(said.matches(&expected).count(), 2, "{said}");
    let lines: Vec<_> = metadata
        .asked()
        .into_iter()
        .map(|asked| asked.line)
        .collect();
    let account = "/computeMetadata/v1/instance/service-accounts/default/identity";
    // `full` adds the account's e-mail address, by which receivers know it.
    for line in &lines {
        let (path, query) = line.split_once('?').unwrap();
        assert_eq!(path, format!("GET {account}"));
        let mut query: Vec<_> = query.split('&').collect();
        query.sort_unstable();
        let audience = "audience=https%3A%2F%2Fwriter.example.com%2Fa+b";
        assert_eq!(query, [audience, "format=full"]);
    }
    assert_eq!(lines.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_a_misconfiguration() {
    let metadata = StandIn::always(Answer::of(404, "no such account")).await;
    let output = run("GCE_METADATA_HOST", metadata.address.to_string()).await;
    let said = said(&output);
    let expected = "failure: misconfigured: Google's identity service: iam.serviceAccounts.getOpenIdToken failed: \
                    the credentials were refused (denied)\n";
    assert_eq!(said.matches(expected).count(), 2, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_login_has_no_id_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("credentials.json");
    let login =
        r#"{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r"}"#;
    std::fs::write(&file, login).unwrap();
    let file = file.to_str().unwrap().to_owned();
    let output = run("GOOGLE_APPLICATION_CREDENTIALS", file).await;
    let said = said(&output);
    let expected =
        "the application default credentials are not those of a service account (denied)\n";
    assert_eq!(said.matches(expected).count(), 2, "{said}");
}
