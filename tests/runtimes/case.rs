//! A case: a file with requests in order, and the reply to each.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde::Deserialize;
use twin_contract::{REQUEST_ID, is_request_id, reply::EVERY_REPLY};

use crate::{
    process::Twin,
    runtime::{Runtime, Variables},
};

/// The key that every request presents unless the case gives another.
const KEY: &str = "the-key";

/// How long `soon` may take: longer than the lease of an outbox whose holder was killed.
const SOON: Duration = Duration::from_secs(60);

/// The content of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    #[serde(skip)]
    name: String,
    /// Runtimes that do not start with this configuration.
    #[serde(default, rename = "not-on")]
    not_on: Vec<String>,
    /// The only runtimes on which the case can run, if not all.
    #[serde(default, rename = "only-on")]
    only_on: Vec<String>,
    /// Variables in addition to those that all cases share; `{writer}` in a value is the address of the writer.
    #[serde(default)]
    settings: Variables,
    step: Vec<Step>,
}

/// One step.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Runtimes whose gateway changes the request before the function sees it: Lambda's gateways join repeated headers, and decode the
    /// query themselves.
    #[serde(default, rename = "not-on")]
    not_on: Vec<String>,
    /// From this step on, these functions run, restarted on the existing data.
    run: Option<Vec<String>>,
    /// Variables that have other values from this step on, for functions that are started.
    #[serde(default)]
    set: Variables,
    /// From this step on, these variables, and no others, cannot be read, as if a vault failed for them. This also affects
    /// running functions.
    failing: Option<Vec<String>>,
    /// A request: method and target. `{next}` in it or in the body is the cursor of the last reply that had one.
    send: Option<String>,
    /// Headers in addition to the key.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Replaces the key; empty for none.
    key: Option<String>,
    /// Those of the headers that are sent twice.
    #[serde(default)]
    twice: Vec<String>,
    #[serde(default)]
    body: String,
    /// Appended to the body: bytes that are not text.
    #[serde(default)]
    bytes: Vec<u8>,
    /// Appends this many characters to the body, for bodies that are too large for a file.
    #[serde(default)]
    padding: usize,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    reply: String,
    #[serde(rename = "retry-after")]
    retry_after: Option<String>,
    allow: Option<String>,
    /// The reply becomes as expected within [`SOON`], because something happens in the background.
    #[serde(default)]
    soon: bool,
    /// Members of the reply whose values differ each time; they are compared as `*`.
    #[serde(default)]
    mask: Vec<String>,
}

impl Case {
    pub(crate) fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).expect("the file can be read");
        let mut case: Self =
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        case.name = file.file_stem().unwrap().to_string_lossy().into_owned();
        case
    }

    /// Whether the case can run on this runtime.
    pub(crate) fn is_for(&self, runtime: &str) -> bool {
        let among = |names: &[String]| names.iter().any(|name| name == runtime);
        !among(&self.not_on) && (self.only_on.is_empty() || among(&self.only_on))
    }

    /// Runs the case and returns the differences from the expected result.
    pub(crate) async fn play(&self, runtime: &impl Runtime, name: &str) -> Vec<String> {
        let mut settings = shared_settings();
        settings.extend(self.settings.clone());
        let mut twin = Twin::new(runtime, settings);
        let client = client();
        let mut wrong = Vec::new();
        let mut next = String::new();
        for (number, step) in (1..).zip(&self.step) {
            twin.set(&step.set);
            if let Some(names) = &step.failing {
                let names: Vec<_> = names.iter().map(|name| name.to_lowercase()).collect();
                twin.vault().fail(&names);
            }
            if let Some(functions) = &step.run {
                twin.run(functions);
            }
            let is_sent = !step.not_on.iter().any(|not_on| not_on == name);
            if let Some(send) = step.send.as_ref().filter(|_| is_sent) {
                let (send, body) = (
                    &send.replace("{next}", &next),
                    &step.body.replace("{next}", &next),
                );
                let expected = step.expected();
                let start = Instant::now();
                let (mut got, mut cursor) = step.exchange(&client, &twin, send, body).await;
                while step.soon && got != expected && start.elapsed() < SOON {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    (got, cursor) = step.exchange(&client, &twin, send, body).await;
                }
                next = cursor.unwrap_or(next);
                if got != expected {
                    wrong.push(format!(
                        "{}, step {number}: {send}\n  expected {expected}\n  got      {got}",
                        self.name
                    ));
                }
            }
        }
        if !wrong.is_empty() {
            println!("{}: {}", self.name, twin.logs());
        }
        wrong
    }
}

/// The variables that all cases share.
pub(crate) fn shared_settings() -> Variables {
    [
        ("TWIN_NAME", "test-twin"),
        ("TWIN_CLOUD", "aws"),
        ("INTER_CLOUD_TOKEN", "the-key,the-key-after-it"),
        ("RETRY_JITTER_PERCENT", "0"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

/// A client for functions that are stopped and restarted.
pub(crate) fn client() -> reqwest::Client {
    // An error means that a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        // An old connection does not lead to a restarted function.
        .pool_max_idle_per_host(0)
        .build()
        .expect("a client")
}

impl Step {
    /// Records the reply, and the cursor in it.
    async fn exchange(
        &self,
        client: &reqwest::Client,
        twin: &Twin<'_, impl Runtime>,
        send: &str,
        body: &str,
    ) -> (String, Option<String>) {
        let (method, target) = send.split_once(' ').expect("a method and a target");
        let method = method.parse().expect("a method");
        let mut request = client.request(method, twin.address(target));
        let key = self.key.as_deref().unwrap_or(KEY);
        let key = Some(("x-api-key", key)).filter(|(_, key)| !key.is_empty());
        let given = self.headers.iter();
        let headers: Vec<(&str, &str)> = given
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .chain(key)
            .collect();
        let twice = headers
            .iter()
            .filter(|(name, _)| self.twice.iter().any(|again| again == name));
        for (name, value) in headers.iter().chain(twice) {
            request = request.header(*name, *value);
        }
        let padding = "x".repeat(self.padding);
        let body = [body.as_bytes(), &self.bytes, padding.as_bytes()].concat();
        if !body.is_empty() {
            request = request.body(body);
        }
        let reply = match request.send().await {
            Ok(reply) => reply,
            Err(error) => return (format!("no reply: {error:?}"), None),
        };
        let header = |name: &str| {
            reply
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap_or("?").to_owned())
        };
        let every = EVERY_REPLY.map(|(name, _)| (name, header(name)));
        let request_id = header(REQUEST_ID).unwrap_or_default();
        let given = self.headers.get(REQUEST_ID).filter(|id| is_request_id(id));
        let known = given.map_or(is_request_id(&request_id), |given| *given == request_id);
        if !known
            || every
                .iter()
                .zip(EVERY_REPLY)
                .any(|(got, (_, value))| got.1.as_deref() != Some(value))
        {
            return (format!("{REQUEST_ID}: {request_id:?}, {every:?}"), None);
        }
        let (kind, retry_after, allow) = (
            header("content-type"),
            header("retry-after"),
            header("allow"),
        );
        let status = reply.status().as_u16();
        let body = reply
            .text()
            .await
            .unwrap_or_else(|error| format!("no body: {error:?}"));
        let cursor = body.split_once("\"next\":\"");
        let cursor = cursor.and_then(|(_, rest)| rest.split_once('"'));
        let got = told(
            status,
            kind.as_deref(),
            retry_after.as_deref(),
            allow.as_deref(),
            &masked(&body, &self.mask),
        );
        (got, cursor.map(|(cursor, _)| cursor.to_owned()))
    }

    fn expected(&self) -> String {
        let (retry_after, allow) = (self.retry_after.as_deref(), self.allow.as_deref());
        told(
            self.status,
            Some("application/json"),
            retry_after,
            allow,
            &self.reply,
        )
    }
}

fn told(
    status: u16,
    kind: Option<&str>,
    retry_after: Option<&str>,
    allow: Option<&str>,
    body: &str,
) -> String {
    format!("{status} {kind:?} retry-after {retry_after:?} allow {allow:?}\n           {body}")
}

/// The text, with the string values of these members replaced by `*`.
fn masked(text: &str, members: &[String]) -> String {
    members.iter().fold(text.to_owned(), |text, member| {
        let start = format!("\"{member}\":\"");
        let mut parts = text.split(&start);
        let mut masked = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let rest = part.split_once('"').map_or("", |(_, rest)| rest);
            masked.push_str(&format!("{start}*\"{rest}"));
        }
        masked
    })
}
