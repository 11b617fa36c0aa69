//! Variables from a vault, as Spin supports them: which are looked up how often, and the effect of each failure. These
//! tests use the stand-in for Spin, where a test can observe and control this.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Instant,
};

use reqwest::Client;
use toml::Table;
use twin_tests::bodies::{ENVELOPE_L2, ENVELOPE_L3, READING, SYSTEM_ERROR};

use crate::{
    case::{client, shared_settings},
    process::Twin,
    runtime::{Spin, Variables},
};

/// How long the adapter caches a value, in milliseconds.
const KEPT_MS: u128 = 5_000;

/// A function, a request that it accepts, and the variables that do not affect the answer.
struct Walk {
    function: &'static str,
    target: &'static str,
    /// Empty for GET.
    body: &'static str,
    not_asked: &'static [&'static str],
}

/// The destination of errors and debug logging do not affect a reply; a peer that is not called is not looked up.
const WALKS: [Walk; 5] = [
    Walk {
        function: "connector",
        target: "/telemetry",
        body: READING,
        not_asked: &["remote_writer_", "remote_error_reporter_", "debug_mode"],
    },
    Walk {
        function: "ingestion",
        target: "/ingest",
        body: ENVELOPE_L2,
        not_asked: &["remote_writer_", "remote_error_reporter_", "debug_mode"],
    },
    Walk {
        function: "writer",
        target: "/write",
        body: ENVELOPE_L3,
        not_asked: &["remote_auth_token", "remote_error_reporter_", "debug_mode"],
    },
    Walk {
        function: "reader",
        target: "/read?device_id=d1",
        body: "",
        not_asked: &["remote_error_reporter_", "debug_mode"],
    },
    Walk {
        function: "error-reporter",
        target: "/errors",
        body: SYSTEM_ERROR,
        // Management is notified without waiting, and the error is stored in any case.
        not_asked: &[
            "remote_auth_token",
            "management_url",
            "remote_management_",
            "debug_mode",
        ],
    },
];

/// The letters that the connector keeps.
const LETTERS: Walk = Walk {
    function: "connector",
    target: "/dead-letters",
    body: "",
    not_asked: &[],
};

impl Walk {
    /// Status and body of the reply.
    async fn send(&self, client: &Client, twin: &Twin<'_, Spin>, id: &str) -> (u16, String) {
        let url = twin.address(self.target);
        let request = match self.body {
            "" => client.get(url),
            body => client.post(url).body(body).header("idempotency-key", id),
        };
        let reply = request.header("x-api-key", "the-key").send().await;
        let reply = reply.expect("a reply");
        (reply.status().as_u16(), reply.text().await.expect("a body"))
    }
}

/// The variables that the manifest passes to a function.
fn variables_of(function: &str) -> BTreeSet<String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spin.toml");
    let manifest: Table = fs::read_to_string(manifest).unwrap().parse().unwrap();
    let variables = manifest["component"][function]["variables"].as_table();
    variables.unwrap().keys().cloned().collect()
}

/// Short waits, because retries fail each time in these tests.
fn settings() -> Variables {
    let mut settings = shared_settings();
    for (name, value) in [("RETRY_INITIAL_MS", "1"), ("RETRY_MAX", "1")] {
        settings.insert(name.to_owned(), value.to_owned());
    }
    settings
}

fn names(functions: &[&str]) -> Vec<String> {
    functions.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn no_variable_that_fails_is_taken_for_one_that_is_not_set() {
    let runtime = Spin::stand_in();
    // The other peers, which would receive anything sent with the wrong key, to the wrong place, or under the wrong name.
    let mut well = settings();
    for (name, value) in [
        ("REMOTE_WRITER_URL", "{writer}/write"),
        ("REMOTE_WRITER_CLOUD", "aws"),
    ] {
        well.insert(name.to_owned(), value.to_owned());
    }
    let mut others = Twin::new(&runtime, well);
    others.run(&names(&["connector", "ingestion", "writer", "reader"]));
    let client = client();
    for walk in WALKS {
        let mut settings = settings();
        for (peer, target) in [
            ("CONNECTOR", "/telemetry"),
            ("INGESTION", "/ingest"),
            ("WRITER", "/write"),
            ("READER", "/read"),
        ] {
            settings.insert(format!("REMOTE_{peer}_URL"), others.address(target));
            settings.insert(format!("REMOTE_{peer}_CLOUD"), "aws".to_owned());
        }
        let mut twin = Twin::new(&runtime, settings);
        for variable in variables_of(walk.function) {
            twin.vault().fail(&[&variable]);
            // A new function, so that nothing is cached.
            twin.run(&names(&[walk.function]));
            let (status, text) = walk.send(&client, &twin, &variable).await;
            let logs = twin.logs();
            let context = format!("{}, {variable}: {status} {text}\n{logs}", walk.function);
            if walk.not_asked.iter().any(|not| variable.starts_with(not)) {
                assert_eq!(status, 200, "{context}");
                continue;
            }
            assert!([202, 503].contains(&status), "{context}");
            // The failure is shown where an operator looks: in the log, and in the letter if there is one.
            let upper = variable.to_ascii_uppercase();
            let said = format!("{upper} cannot be read: the variable provider failed");
            let letters = match status {
                202 => LETTERS.send(&client, &twin, "").await.1,
                _ => String::new(),
            };
            assert!(logs.contains(&said) || letters.contains(&said), "{context}");
        }
    }
}

#[tokio::test]
async fn a_warm_call_asks_for_no_variable_that_was_asked_for_five_seconds_ago() {
    let runtime = Spin::stand_in();
    let mut twin = Twin::new(&runtime, settings());
    let functions = ["connector", "ingestion", "writer"];
    twin.run(&names(&functions));
    let client = client();
    let start = Instant::now();
    for walk in WALKS
        .iter()
        .filter(|walk| functions.contains(&walk.function))
    {
        for id in 0..20 {
            let (status, text) = walk.send(&client, &twin, &id.to_string()).await;
            assert_eq!(status, 200, "{text}\n{}", twin.logs());
        }
    }
    // At least this many milliseconds pass between two requests for one variable, however slow the machine is.
    let most = start.elapsed().as_millis() / KEPT_MS + 1;
    for function in functions {
        let mut counts: BTreeMap<_, u128> = BTreeMap::new();
        for asked in twin.vault().asked(function) {
            *counts.entry(asked).or_default() += 1;
        }
        assert!(!counts.is_empty(), "{function} asks for something");
        for (asked, count) in counts {
            assert!(count <= most, "{function}: {asked:?} {count} times");
        }
    }
}
