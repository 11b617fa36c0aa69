//! Compares documentation, alert rules and dashboard with the metrics that a host exports.

#![cfg(test)]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use twin_host::telemetry::metrics::{Kind, METRICS};

const OPERATIONS: &str = include_str!("../../docs/operations.md");
const ALERTS: &str = include_str!("../../deploy/observability/alerts.yml");
const ALERTS_TEST: &str = include_str!("../../deploy/observability/alerts_test.yml");
const DASHBOARD: &str = include_str!("../../deploy/observability/dashboard.json");

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/observability")
}

/// The names of the series under which the metrics can be queried.
fn series() -> BTreeSet<String> {
    let all = METRICS.iter().flat_map(|metric| match metric.kind {
        Kind::Counter | Kind::Gauge => vec![metric.name.to_owned()],
        Kind::Histogram => ["bucket", "sum", "count"]
            .map(|part| format!("{}_{part}", metric.name))
            .into(),
    });
    all.collect()
}

/// Every word that looks like one of this project's metrics.
fn named(text: &str) -> BTreeSet<String> {
    text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .filter(|word| word.starts_with("twin_"))
        .map(str::to_owned)
        .collect()
}

/// The text after `key` on each line that contains it.
fn values<'a>(text: &'a str, key: &str) -> BTreeSet<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(key))
        .map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or(rest))
        .collect()
}

/// The cells of a table row, without code marks.
fn cells(row: &str) -> Vec<String> {
    let cells = row.trim_matches('|').split('|');
    cells.map(|cell| cell.trim().replace('`', "")).collect()
}

#[test]
fn the_documentation_tells_of_every_metric() {
    let told: BTreeMap<_, _> = OPERATIONS
        .lines()
        .filter(|line| line.starts_with("| `twin_"))
        .map(|line| {
            let cells = cells(line);
            (cells[0].clone(), (cells[1].clone(), cells[2].clone()))
        })
        .collect();
    let exported: BTreeMap<_, _> = METRICS
        .iter()
        .map(|metric| {
            let form = (metric.kind.as_str().to_owned(), metric.labels.join(", "));
            (metric.name.to_owned(), form)
        })
        .collect();
    assert_eq!(told, exported);
}

#[test]
fn rules_and_dashboard_name_only_metrics_that_exist() {
    let series = series();
    for (file, text) in [
        ("alerts.yml", ALERTS),
        ("alerts_test.yml", ALERTS_TEST),
        ("dashboard.json", DASHBOARD),
    ] {
        let named = named(text);
        assert!(!named.is_empty(), "{file}");
        let unknown: Vec<_> = named.difference(&series).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[test]
fn each_alert_is_tested_and_has_its_advice() {
    let alerts = values(ALERTS, "alert: ");
    assert!(!alerts.is_empty());
    assert_eq!(values(ALERTS_TEST, "alertname: "), alerts);
    for alert in alerts {
        assert!(OPERATIONS.contains(&format!("`{alert}`")), "{alert}");
    }
}

#[test]
fn each_panel_of_the_dashboard_asks_for_something() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        if panel["type"] == "row" {
            continue;
        }
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            assert!(!named(expression).is_empty(), "{panel}");
        }
    }
}

/// Runs `promtool`, if it is installed.
fn promtool(arguments: &[&str]) {
    let told = Command::new("promtool")
        .args(arguments)
        .current_dir(folder())
        .output();
    match told {
        Ok(told) => assert!(
            told.status.success(),
            "{}{}",
            String::from_utf8_lossy(&told.stdout),
            String::from_utf8_lossy(&told.stderr)
        ),
        Err(error) => println!("skipped: promtool {}: {error}", arguments.join(" ")),
    }
}

#[test]
fn promtool_takes_the_rules() {
    promtool(&["check", "rules", "alerts.yml"]);
}

#[test]
fn the_rules_fire_when_they_should() {
    promtool(&["test", "rules", "alerts_test.yml"]);
}
