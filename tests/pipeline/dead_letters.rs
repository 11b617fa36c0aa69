//! `twin dead-letters` and `twin errors`: over HTTP and on the data folder, while the host runs.

use serde_json::Value;
use twin_contract::Cloud::{Aws, Azure};

use crate::{
    crossing::reading,
    house::Host,
    process::{Told, eventually, run},
    replies::text,
};

const LETTERS: usize = 3;

/// A connector with letters that survived a kill, and the host of the ingestion, which is down.
async fn connector_with_letters() -> (Host, Host) {
    let all = "connector,ingestion,writer,reader";
    let away = Host::of(Azure, all);
    let mut connector = Host::of(Aws, "connector,error-reporter")
        .next("INGESTION", &away, "/ingest")
        .set("RETRY_MAX", "0")
        .start()
        .await;
    for n in 0..LETTERS {
        connector
            .post("/telemetry", &reading(n))
            .await
            .assert_status(202);
    }
    connector.kill();
    connector.restart().await;
    (connector, away)
}

/// `twin COMMAND…` by either way of reaching a host.
pub(crate) fn ask(host: &Host, way: &str, words: &[&str]) -> Told {
    let (url, data) = (host.url(""), host.data().to_str().unwrap());
    let mut command = host.command([]);
    command.args(words);
    match way {
        "--url" => {
            let cloud = host.cloud.as_str();
            command.args(["--url", &url, "--key", &host.key, "--cloud", cloud])
        }
        _ => command.args(["--data", data]),
    };
    run(&mut command)
}

/// The documents of a command that must succeed, one per line.
#[track_caller]
pub(crate) fn json(told: &Told) -> Vec<Value> {
    assert_eq!(told.code, Some(0), "{told:?}");
    let lines = told.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn letters_survive_a_kill_and_are_listed_shown_and_replayed_both_ways() {
    let (connector, away) = connector_with_letters().await;
    let mut shown = Vec::new();
    for way in ["--url", "--data"] {
        let listed = json(&ask(&connector, way, &["dead-letters", "list", "--json"]));
        assert_eq!(listed.len(), LETTERS, "{way}");
        let plain = ask(&connector, way, &["dead-letters", "list"]);
        let last = format!("{LETTERS} dead letters");
        assert_eq!(
            plain.stdout.lines().last(),
            Some(last.as_str()),
            "{plain:?}"
        );
        let id = text(&listed[0], "letter_id");
        let show = ["dead-letters", "show", &id, "--json"];
        let letter = json(&ask(&connector, way, &show)).remove(0);
        assert_eq!(letter["envelope"]["payload"]["n"], 0, "{letter}");
        assert_eq!(letter["peer"], "ingestion");
        assert_eq!(letter["attempts"].as_array().unwrap().len(), 1);
        shown.push((listed, letter));

        let replay = ["dead-letters", "replay", "--json"];
        let failed = ask(&connector, way, &replay);
        assert_eq!(failed.code, Some(1), "the peer is away: {failed:?}");
        let missing = ask(&connector, way, &["dead-letters", "show", "none"]);
        assert_eq!(missing.code, Some(1), "{missing:?}");
        assert!(missing.stderr.contains("HTTP 404"), "{missing:?}");
    }
    assert_eq!(shown[0], shown[1], "both ways show the same");

    let away = away.start().await;
    let one = text(&shown[0].0[1], "letter_id");
    for (way, words, replayed) in [
        ("--url", vec!["--letter", &one], 1),
        ("--data", vec![], LETTERS - 1),
        ("--url", vec![], 0),
    ] {
        let words = [vec!["dead-letters", "replay", "--json"], words].concat();
        let report = json(&ask(&connector, way, &words)).remove(0);
        assert_eq!(report["replayed"], replayed, "{way} {report}");
        assert_eq!(report["stay"], 0, "{way} {report}");
    }
    let read = away.items("/read?device_id=d&order=asc").await;
    let sent: Vec<_> = read.iter().map(|item| &item["payload"]["n"]).collect();
    assert_eq!(sent, [0, 1, 2]);
    assert!(connector.items("/dead-letters").await.is_empty());
}

#[tokio::test]
async fn system_errors_are_listed_both_ways() {
    let (connector, _away) = connector_with_letters().await;
    eventually("the error is reported", async || {
        let errors = connector.items("/errors").await;
        (!errors.is_empty()).then_some(())
    })
    .await;
    let listed = ["--url", "--data"].map(|way| {
        let plain = ask(&connector, way, &["errors", "list"]);
        assert!(plain.stdout.contains("DELIVERY_DEAD_LETTERED"), "{plain:?}");
        json(&ask(&connector, way, &["errors", "list", "--json"]))
    });
    assert_eq!(listed[0], listed[1]);
    assert_eq!(listed[0][0]["severity"], "WARNING");
}

#[tokio::test]
async fn commands_that_reach_nobody_say_so_in_one_line() {
    let host = Host::of(Aws, "writer").start().await;
    let gone = host.data().join("gone");
    let data = ["--data", gone.to_str().unwrap()];
    let (base, nobody) = (host.url(""), host.url("/nobody"));
    let wrong = ["--url", &base, "--key", "wrong", "--cloud", "aws"];
    let elsewhere = ["--url", &nobody, "--key", "wrong", "--cloud", "aws"];
    for target in [&data[..], &wrong, &elsewhere] {
        let mut command = host.command(["dead-letters", "list"]);
        let told = run(command.args(target));
        assert_eq!(told.code, Some(1), "{told:?}");
        assert_eq!(told.stderr.lines().count(), 1, "{told:?}");
        assert!(told.stderr.starts_with("twin: "), "{told:?}");
    }
}
