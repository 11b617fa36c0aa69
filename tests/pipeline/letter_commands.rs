//! `twin dead-letters` as a person uses it: in pipes, with many letters, and by operators.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::{StreamExt, stream};
use serde_json::Value;
use tempfile::tempdir;
use twin_contract::Cloud::Aws;

use crate::{
    crossing::reading,
    dead_letters::{ask, json},
    house::Host,
    peer::{FakePeer, answer, error},
    process::{built, eventually, exit_of, run, twin},
    replies::text,
};

/// A connector that has a letter for each of these readings, because its peer refuses them.
async fn with_letters(readings: &[String]) -> (Host, FakePeer, Arc<AtomicBool>) {
    let good = Arc::new(AtomicBool::new(false));
    let receives = Arc::clone(&good);
    let peer = FakePeer::start(move |arrival| {
        if receives.load(Ordering::SeqCst) && arrival.body.contains("good") {
            arrival.received()
        } else {
            error(400)
        }
    });
    let host = Host::of(Aws, "connector,error-reporter")
        .set("REMOTE_INGESTION_URL", &peer.url())
        .start()
        .await;
    stream::iter(readings)
        .map(|reading| host.post("/telemetry", reading))
        .buffer_unordered(32)
        .for_each(|reply| async move { reply.assert_status(202) })
        .await;
    (host, peer, good)
}

fn readings(count: usize) -> Vec<String> {
    (0..count).map(reading).collect()
}

/// Runs a command whose output is closed, and returns its exit code and its error output.
fn unread(command: &mut Command) -> (Option<i32>, String) {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let complaints = tempdir().unwrap();
    let complaints = complaints.path().join("stderr");
    let mut child = command
        .stdout(writer)
        .stderr(File::create(&complaints).unwrap())
        .spawn()
        .unwrap();
    let status = exit_of(&mut child);
    (status.code(), std::fs::read_to_string(complaints).unwrap())
}

#[tokio::test]
async fn a_list_whose_reader_has_enough_ends_quietly() {
    let (host, ..) = with_letters(&readings(150)).await;
    let mut command = host.command(["dead-letters", "list", "--json", "--data"]);
    let mut child = command.arg(host.data()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    drop(lines);
    serde_json::from_str::<Value>(&first).unwrap();
    let stderr = io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert_eq!(
        (exit_of(&mut child).code(), stderr),
        (Some(0), String::new())
    );
}

#[tokio::test]
async fn every_command_that_prints_ends_quietly_when_nobody_reads() {
    let (host, ..) = with_letters(&readings(1)).await;
    eventually("the error is reported", async || {
        (!host.items("/errors").await.is_empty()).then_some(())
    })
    .await;
    let letter = text(&host.items("/dead-letters").await[0], "letter_id");
    let data = host.data().to_str().unwrap();
    for words in [
        &["dead-letters", "list"][..],
        &["dead-letters", "list", "--json"],
        &["dead-letters", "show", &letter],
        &["dead-letters", "show", &letter, "--json"],
        &["dead-letters", "replay", "--dry-run"],
        &["dead-letters", "replay", "--dry-run", "--json"],
        &["errors", "list"],
        &["errors", "list", "--json"],
    ] {
        let mut command = host.command([]);
        command.args(words).args(["--data", data]);
        assert_eq!(unread(&mut command), (Some(0), String::new()), "{words:?}");
    }
    let component = built("TWIN_COMPONENTS_DIR", "components").join("writer.wasm");
    for words in [
        &["serve", "--help"][..],
        &["--version"],
        &["inspect", component.to_str().unwrap()],
        &["demo"],
    ] {
        let mut command = twin(words);
        // Log lines are not output.
        command.env("RUST_LOG", "off");
        let (code, _) = unread(&mut command);
        assert_eq!(code, Some(0), "{words:?}");
    }
}

#[tokio::test]
async fn letters_are_shown_digit_by_digit_and_field_by_field() {
    let deep = format!("{}1{}", "[".repeat(61), "]".repeat(61));
    let payloads = [
        r#"{"device_id":"d","t":1e400}"#.to_owned(),
        r#"{"device_id":"d","t":25.40,"n":12345678901234567890.10,"a":-0.0}"#.to_owned(),
        format!(r#"{{"device_id":"d","deep":{deep}}}"#),
    ];
    let (host, ..) = with_letters(&payloads).await;
    for way in ["--url", "--data"] {
        let plain = ask(&host, way, &["dead-letters", "list"]);
        assert_eq!(plain.code, Some(0), "{plain:?}");
        assert_eq!(plain.stdout.lines().count(), 4, "{plain:?}");
        let listed = ask(&host, way, &["dead-letters", "list", "--json"]);
        assert_eq!(listed.code, Some(0), "{listed:?}");
        for payload in &payloads {
            let whole = format!("\"payload\":{payload}");
            let lines: Vec<_> = listed.stdout.lines().collect();
            let line = lines.iter().find(|line| line.contains(&whole));
            let line = line.unwrap_or_else(|| panic!("{payload} in {listed:?}"));
            let (_, rest) = line.split_once("\"letter_id\":\"").unwrap();
            let letter_id = rest.split('"').next().unwrap();
            for form in [&["--json"][..], &[]] {
                let words = [&["dead-letters", "show", letter_id], form].concat();
                let shown = ask(&host, way, &words);
                assert_eq!(shown.code, Some(0), "{shown:?}");
                assert!(shown.stdout.contains(&whole), "{words:?}: {shown:?}");
            }
        }
    }
    let errors = ask(&host, "--data", &["errors", "list", "--json"]);
    assert_eq!(errors.code, Some(0), "{errors:?}");
}

#[tokio::test]
async fn the_key_goes_to_the_host_alone_and_in_its_clouds_header() {
    const KEYS: [&str; 3] = ["x-api-key", "x-functions-key", "authorization"];
    let nothing = || FakePeer::start(|_| answer(200, "", br#"{"items":[],"count":0}"#));
    let keys = |peer: &FakePeer| -> Vec<(String, String)> {
        let arrivals = peer.arrivals().into_iter();
        let headers = arrivals.flat_map(|arrival| arrival.headers);
        headers
            .filter(|(name, _)| KEYS.contains(&name.as_str()))
            .collect()
    };
    let list = |url: &str| {
        let mut command = twin(["dead-letters", "list", "--url", url]);
        command.args(["--key", "s3cret"]);
        command
    };
    let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        let (host, proxy) = (nothing(), nothing());
        let mut command = list(&host.url());
        let told = run(command
            .args(["--cloud", "azure"])
            .env(variable, proxy.url()));
        assert_eq!(told.code, Some(0), "{told:?}");
        assert_eq!(
            keys(&host),
            header("x-functions-key", "s3cret"),
            "{variable}"
        );
        assert!(proxy.arrivals().is_empty(), "{variable}");
    }
    // `TWIN_HTTP_PROXY` is used, and the host name shows the cloud.
    for (name, expected) in [
        (
            "x.lambda-url.eu-west-1.on.aws",
            header("x-api-key", "s3cret"),
        ),
        ("x.azurewebsites.net", header("x-functions-key", "s3cret")),
        ("x.run.app", header("authorization", "Bearer s3cret")),
    ] {
        let proxy = nothing();
        let mut command = list(&format!("http://{name}/"));
        let told = run(command.env("TWIN_HTTP_PROXY", proxy.url()));
        assert_eq!(told.code, Some(0), "{told:?}");
        assert_eq!(keys(&proxy), expected, "{name}");
    }
    // If the cloud is unknown, nothing is sent.
    let host = nothing();
    let told = run(&mut list(&host.url()));
    assert_eq!(
        (told.code, told.stderr.lines().count()),
        (Some(2), 1),
        "{told:?}"
    );
    assert!(told.stderr.contains("--cloud"), "{told:?}");
    let mut command = twin([
        "dead-letters",
        "list",
        "--url",
        &host.url(),
        "--cloud",
        "gcp",
    ]);
    let told = run(&mut command);
    assert_eq!(
        (told.code, told.stderr.lines().count()),
        (Some(2), 1),
        "{told:?}"
    );
    assert!(told.stderr.contains("TWIN_OPERATOR_TOKEN"), "{told:?}");
    assert!(host.arrivals().is_empty());
    // The environment contains keys as for a host, the operator keys first.
    let told = run(command
        .env("INTER_CLOUD_TOKEN", "hop-1,hop-2")
        .env("TWIN_OPERATOR_TOKEN", "op-1,op-2"));
    assert_eq!(told.code, Some(0), "{told:?}");
    assert_eq!(keys(&host), header("authorization", "Bearer op-1"));
}

#[tokio::test]
async fn a_replay_reaches_every_letter_once_behind_many_that_never_arrive() {
    const BAD: usize = 1_100;
    let good = [
        r#"{"device_id":"good","t":1}"#,
        r#"{"device_id":"good","t":2}"#,
    ];
    let (host, peer, receives) = with_letters(&readings(BAD)).await;
    for reading in good {
        host.post("/telemetry", reading).await.assert_status(202);
    }
    let before = peer.arrivals().len();
    receives.store(true, Ordering::SeqCst);

    let dry = ["dead-letters", "replay", "--dry-run"];
    let all = json(&ask(&host, "--url", &[&dry[..], &["--json"]].concat()));
    assert_eq!(all.len(), BAD + good.len());
    let none = ask(&host, "--url", &[&dry[..], &["--peer", "writer"]].concat());
    assert_eq!(none.stdout, "0 dead letters would be sent\n", "{none:?}");
    let old = [&dry[..], &["--before", "2020-01-01T00:00:00Z"]].concat();
    assert_eq!(ask(&host, "--url", &old).stdout, none.stdout);
    let wrong = ask(&host, "--url", &[&dry[..], &["--before", "noon"]].concat());
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(wrong.stderr.contains("`before`"), "{wrong:?}");
    assert_eq!(peer.arrivals().len(), before, "nothing was sent");

    let told = ask(&host, "--url", &["dead-letters", "replay", "--json"]);
    assert_eq!(told.code, Some(1), "{}", told.stderr);
    let report: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(
        (&report["replayed"], &report["stay"]),
        (&2.into(), &BAD.into())
    );
    assert_eq!(report["failures"].as_array().unwrap().len(), BAD);
    let mut sent: Vec<_> = peer.arrivals().split_off(before);
    assert_eq!(sent.len(), BAD + good.len());
    sent.sort_unstable_by(|one, other| one.body.cmp(&other.body));
    sent.dedup_by(|one, other| one.body == other.body);
    assert_eq!(sent.len(), BAD + good.len(), "each was sent once");
}

#[tokio::test]
async fn a_letter_is_discarded_both_ways_and_each_discard_is_reported() {
    let (host, ..) = with_letters(&readings(2)).await;
    let letters = host.texts("/dead-letters", "letter_id").await;
    let discard = |way, letter: &str, more: &[&str]| {
        let words = [&["dead-letters", "discard", letter], more].concat();
        ask(&host, way, &words)
    };
    let told = discard("--url", &letters[0], &[]);
    assert_eq!(told.code, Some(2), "no reason: {told:?}");
    let reason = ["--reason", "test data & more"];
    let told = discard("--url", &letters[0], &reason);
    assert_eq!(told.code, Some(0), "{told:?}");
    let told = discard("--url", &letters[0], &reason);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stderr.contains("HTTP 404"), "{told:?}");

    let mut command = host.command(["dead-letters", "discard", &letters[1]]);
    command.args(reason).arg("--data").arg(host.data());
    let told = run(&mut command);
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains("--cloud"), "{told:?}");
    let told = run(command.args(["--cloud", "aws", "--json"]));
    let gone = serde_json::json!({"status": "discarded", "letter_id": letters[1]});
    assert_eq!(json(&told), [gone]);
    assert!(host.items("/dead-letters").await.is_empty());

    let reports = eventually("both discards are reported", async || {
        let errors = host.items("/errors").await.into_iter();
        let reports = errors.filter(|error| error["error_code"] == "LETTER_DISCARDED");
        let reports: Vec<_> = reports.collect();
        (reports.len() == 2).then_some(reports)
    })
    .await;
    for (who, letter) in [("key-1", &letters[0]), ("command-line", &letters[1])] {
        let start = format!("{who} discarded dead letter {letter} for ingestion");
        let report = reports
            .iter()
            .find(|report| text(report, "message").starts_with(&start));
        let report = report.unwrap_or_else(|| panic!("{start}: {reports:?}"));
        assert_eq!(report["severity"], "INFO");
        assert_eq!(report["cloud_provider"], "aws");
        assert!(
            text(report, "message").ends_with(": test data & more"),
            "{report}"
        );
    }
}
