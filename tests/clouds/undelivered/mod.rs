//! `twin dead-letters replay --from-queue` over emulators of the platforms' dead-letter queues. What a platform would put there is put
//! there by the tests, in the form of its documentation; the program and its components are the real ones.

macro_rules! or_skip {
    ($possible:expr) => {
        match $possible {
            Ok(possible) => possible,
            Err(reason) => return println!("skipped: {reason}"),
        }
    };
}

macro_rules! or_built {
    ($told:expr) => {
        match $told {
            Some(told) => told,
            None => return,
        }
    };
}

mod aws;
mod azure;
mod gcp;
mod queues;

use serde_json::{Value, json};
use twin_contract::Cloud::{self, Aws};
use twin_tests::hosts::{
    house::Host,
    process::{Told, run},
};

/// All functions of a twin in one program, with its data on the disk.
fn whole_twin(cloud: Cloud) -> Host {
    Host::of(cloud, "connector,ingestion,writer,reader,error-reporter").set("TWIN_STORE", "local")
}

/// Runs the command with the environment of the host. `None` if the program was built without the cloud, and then the test says so.
fn replay(host: &Host, queue: &str, options: &[&str]) -> Option<Told> {
    let mut command = host.command(["dead-letters", "replay", "--from-queue", queue]);
    let told = run(command.args(options));
    if told.stderr.contains("needs a build with the cargo feature") {
        println!("skipped: {}", told.stderr);
        return None;
    }
    Some(told)
}

/// What a successful replay says.
fn counts(told: &Told) -> [u64; 3] {
    assert_eq!(told.code, Some(0), "{told:?}");
    numbers(told)
}

fn numbers(told: &Told) -> [u64; 3] {
    let words: Vec<_> = told.stdout.lines().next().unwrap().split(' ').collect();
    let numbers: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    assert!(told.stdout.contains("stay in the queue"), "{told:?}");
    numbers.try_into().unwrap()
}

fn system_error() -> Value {
    json!({
        "twin_id": "factory-01", "cloud_provider": "aws", "severity": "WARNING", "component": "L2-Connector",
        "error_code": "SOME_CODE", "message": "some message", "timestamp": "2026-01-01T00:00:00Z",
    })
}

#[test]
fn what_is_stored_is_removed_so_the_store_must_be_named() {
    let host = Host::of(Aws, "connector");
    let told = run(&mut host.command([
        "dead-letters",
        "replay",
        "--topic",
        "errors",
        "--from-queue",
        "projects/p/subscriptions/s",
    ]));
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains("TWIN_STORE"), "{told:?}");
}

#[test]
fn a_signature_in_a_url_that_is_refused_is_not_shown() {
    let host = whole_twin(Aws);
    let url = "https://account.blob.core.windows.net/a/b/c?sig=a-signature";
    let told = run(&mut host.command(["dead-letters", "replay", "--from-queue", url]));
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(!told.stderr.contains("a-signature"), "{told:?}");
}

#[test]
fn a_wrong_queue_is_a_usage_error() {
    let host = whole_twin(Aws);
    for (words, expected) in [
        (&["--from-queue", "queue"][..], "the queue must be"),
        (
            &["--from-queue", "projects/p/topics/t"],
            "the queue must be",
        ),
        (&["--topic", "errors", "--data", "/nowhere"], "--data"),
        (&["--topic", "errors"], "--from-queue"),
        (
            &[
                "--from-queue",
                "projects/p/subscriptions/s",
                "--data",
                "/nowhere",
            ],
            "--data",
        ),
        (
            &["--from-queue", "projects/p/subscriptions/s", "--topic", "x"],
            "telemetry, errors or letters",
        ),
        (&[], "--data"),
    ] {
        let mut command = host.command(["dead-letters", "replay"]);
        let told = run(command.args(words));
        assert_eq!(told.code, Some(2), "{words:?}: {told:?}");
        assert!(told.stderr.contains(expected), "{words:?}: {told:?}");
    }
}
