//! AWS Lambda, in an emulator of AWS: the function is created from the zip file, and requests go to its function URL.

use std::{
    fs,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hyper::header::{HOST, HeaderValue};
use reqwest::Method;
use serde_json::{Map, Value, json};
use twin_capabilities::testing::Skipped;
use twin_tests::{
    clouds::account::{Account, NUMBER},
    hosts::front::{Client, serve},
};

use crate::{Command, Variables, listener};

/// How long the function may take to become active.
const START: Duration = Duration::from_secs(60);
/// Variables that the function does not get: Lambda sets those of AWS itself, and a function listens at no port.
const NOT_SET: [&str; 6] = [
    "TWIN_TEST_AWS",
    "PORT",
    "TWIN_BIND",
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
];
/// The function's role, which may do everything.
const ROLE: &str = "twin-of-tests";
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

/// Creates the function `twin-PORT`, in the place of one that a killed predecessor left, and passes requests to its URL.
pub(crate) async fn run(command: &Command, variables: Variables) {
    let account = Account::find().unwrap_or_else(|Skipped(reason)| panic!("{reason}"));
    make_role(&account).await;
    let name = format!("twin-{}", command.port);
    let path = format!("/2015-03-31/functions/{name}");
    let url = format!("/2021-10-31/functions/{name}/url");
    // Neither may be there. Lambda removes the URL with its function, the emulator does not.
    for path in [&url, &path] {
        let _ = account
            .try_rest("lambda", Method::DELETE, path, &Value::Null)
            .await;
    }
    let zip = fs::read(command.package.join("lambda.zip")).unwrap();
    let own: Map<_, _> = variables
        .into_iter()
        .filter(|(name, _)| !NOT_SET.contains(&name.as_str()))
        .map(|(name, value)| (name, value.into()))
        .collect();
    let function = json!({
        "FunctionName": name,
        "Runtime": "provided.al2023",
        "Handler": "bootstrap",
        "Role": format!("arn:aws:iam::{NUMBER}:role/{ROLE}"),
        "Code": {"ZipFile": STANDARD.encode(zip)},
        "Environment": {"Variables": own},
        "Timeout": 30,
        "MemorySize": 256,
    });
    account
        .rest("lambda", Method::POST, "/2015-03-31/functions", &function)
        .await;
    let start = Instant::now();
    loop {
        let state = format!("{path}/configuration");
        let function = account
            .rest("lambda", Method::GET, &state, &Value::Null)
            .await;
        if function["State"] == "Active" {
            break;
        }
        assert!(start.elapsed() < START, "{function}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let without_iam = json!({"AuthType": "NONE"});
    let url = account
        .rest("lambda", Method::POST, &url, &without_iam)
        .await;
    let id = id_of(&url).unwrap_or_else(|| panic!("{url}"));
    let host = format!("{id}.lambda-url.us-east-1.on.aws");
    let host = HeaderValue::try_from(host).unwrap();
    let client = Client::default();
    serve(listener(command).await, move |mut request| {
        let (client, host) = (client.clone(), host.clone());
        let target = request.uri().path_and_query().unwrap().to_string();
        let url = account.endpoint.clone() + &target;
        async move {
            request.headers_mut().insert(HOST, host);
            client.send(&url, request).await
        }
    })
    .await;
}

/// The first label of the name in a function URL.
fn id_of(url: &Value) -> Option<&str> {
    let (_, host) = url["FunctionUrl"].as_str()?.split_once("://")?;
    host.split('.').next()
}

/// Makes the role. If it is there, both calls fail.
async fn make_role(account: &Account) {
    const VERSION: (&str, &str) = ("Version", "2010-05-08");
    let create = [
        ("Action", "CreateRole"),
        VERSION,
        ("RoleName", ROLE),
        ("AssumeRolePolicyDocument", TRUST),
    ];
    let permit = [
        ("Action", "PutRolePolicy"),
        VERSION,
        ("RoleName", ROLE),
        ("PolicyName", "all"),
        ("PolicyDocument", POLICY),
    ];
    for parameters in [&create[..], &permit[..]] {
        let _ = account.query("iam", parameters).await;
    }
}
