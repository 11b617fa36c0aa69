//! `twin up`: three clouds in one process, placed by a deployer's file.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Child,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tempfile::TempDir;
use twin_contract::{Cloud, digest};

use crate::{
    process::{ask_to_stop, built, eventually, exit_of, keep, run, twin},
    replies::text,
    site::Site,
};

const PROVIDERS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/pipeline/data/config_providers.json"
);
const PAYLOADS: &str = include_str!("data/payloads.json");

/// A running `twin up`.
struct Up {
    child: Child,
    sites: BTreeMap<&'static str, Site>,
    functions: BTreeMap<&'static str, Vec<String>>,
    logs: Arc<Mutex<String>>,
}

impl Up {
    /// Starts it and waits for all its lines.
    async fn start(arguments: &[&str]) -> Self {
        let base = ["up", "--base-port", "0"];
        let mut command = twin(base.iter().chain(arguments));
        let mut child = command.env("RUST_LOG", "info").spawn().unwrap();
        let (said, logs) = (Arc::default(), Arc::default());
        keep(child.stdout.take().unwrap(), &said);
        keep(child.stderr.take().unwrap(), &logs);
        let mut up = Self {
            child,
            sites: BTreeMap::new(),
            functions: BTreeMap::new(),
            logs,
        };
        let lines = eventually("all clouds have said that they are ready", async || {
            let lines = said.lock().unwrap().clone();
            (lines.lines().count() == Cloud::ALL.len()).then_some(lines)
        })
        .await;
        for line in lines.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let names: BTreeSet<_> = line
                .as_object()
                .unwrap()
                .keys()
                .map(String::as_str)
                .collect();
            assert_eq!(names, ["cloud", "functions", "key", "url"].into());
            let cloud: Cloud = text(&line, "cloud").parse().unwrap();
            let site = Site::of(cloud, text(&line, "url"), text(&line, "key"));
            let functions = line["functions"].as_array().unwrap().iter();
            let functions = functions.map(|name| name.as_str().unwrap().to_owned());
            up.functions.insert(cloud.as_str(), functions.collect());
            up.sites.insert(cloud.as_str(), site);
        }
        up
    }

    fn stop(&mut self) {
        ask_to_stop(&self.child, "INT");
        assert_eq!(exit_of(&mut self.child).code(), Some(0));
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_deployers_file_places_the_layers_and_its_simulators_payloads_pass() {
    let data = TempDir::new().unwrap();
    let folder = data.path().to_str().unwrap();
    let payloads: Vec<Value> = serde_json::from_str(PAYLOADS).unwrap();
    let mut up = Up::start(&["--data", folder, "--placement", PROVIDERS]).await;
    // L1 google, L2 azure, L3 and L5 aws, L4 azure.
    assert_eq!(up.functions["gcp"], ["connector", "error-reporter"]);
    let azure = ["connector", "ingestion", "reader", "error-reporter"];
    assert_eq!(up.functions["azure"], azure);
    assert_eq!(up.functions["aws"], ["writer", "reader", "error-reporter"]);
    let keys: BTreeSet<_> = up.sites.values().map(|site| &site.key).collect();
    assert_eq!(keys.len(), 3, "each cloud has its own key");
    for payload in &payloads {
        let sent = up.sites["gcp"]
            .post("/telemetry", &payload.to_string())
            .await;
        sent.assert_status(200);
    }
    let mut read = Vec::new();
    for device in ["temperature-sensor-1", "pressure-sensor-1"] {
        let target = format!("/read?device_id={device}&order=asc");
        let items = up.sites["aws"].items(&target).await;
        assert_eq!(
            items,
            up.sites["azure"].items(&target).await,
            "L4 sees what L3 has"
        );
        read.extend(items);
    }
    let sent: Vec<_> = payloads.into_iter().map(as_stored).collect();
    let stored: Vec<_> = read.iter().map(|item| item["payload"].clone()).collect();
    assert_eq!(stored, sent);
    up.stop();

    let mut up = Up::start(&[
        "--data",
        folder,
        "--placement",
        "L1=aws,L2=aws,L3=aws,L4=gcp,L5=azure",
    ])
    .await;
    let kept = up.sites["gcp"]
        .items("/read?device_id=pressure-sensor-1")
        .await;
    assert_eq!(kept.len(), 2, "the folder keeps what was stored");
    up.stop();
}

/// A simulator's payload with the contract's names.
fn as_stored(mut payload: Value) -> Value {
    let fields = payload.as_object_mut().unwrap();
    let device = fields.remove("iotDeviceId").unwrap();
    assert_eq!(fields.remove("time").unwrap(), "");
    fields.insert("device_id".to_owned(), device);
    payload
}

#[tokio::test]
async fn all_clouds_run_the_same_bytes() {
    let mut up = Up::start(&[]).await;
    up.stop();
    let field = |line: &str, name: &str| {
        let rest = line.split_once(&format!("{name}=\""))?.1;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let logs = up.logs.lock().unwrap().clone();
    let loaded = logs
        .lines()
        .filter(|line| line.contains("component loaded"));
    let loaded: Vec<_> = loaded
        .map(|line| {
            (
                field(line, "function").unwrap(),
                field(line, "sha256").unwrap(),
            )
        })
        .collect();
    let mounted: usize = up.functions.values().map(Vec::len).sum();
    assert_eq!(loaded.len(), mounted, "{logs}");
    let different: BTreeMap<_, _> = loaded.iter().cloned().collect();
    assert_eq!(different.len(), 5, "{loaded:?}");
    for (function, sha256) in &loaded {
        assert_eq!(sha256, &different[function], "{function}");
    }
    for (function, sha256) in different {
        let file = built("TWIN_COMPONENTS_DIR", "components").join(format!("{function}.wasm"));
        let bytes = std::fs::read(file).unwrap();
        assert_eq!(sha256, digest(&bytes), "{function}");
    }
}

#[test]
fn a_placement_that_cannot_be_is_exit_code_2() {
    for (placement, culprit) in [
        ("L1=aws,L2=azure", "L3"),
        ("L1=ibm,L2=azure,L3=gcp", "ibm"),
        ("L9=aws", "L9"),
        ("/nowhere.json", "/nowhere.json"),
    ] {
        let told = run(&mut twin([
            "up",
            "--base-port",
            "0",
            "--placement",
            placement,
        ]));
        assert_eq!(told.code, Some(2), "{told:?}");
        assert_eq!(told.stderr.lines().count(), 1, "{told:?}");
        assert!(told.stderr.contains(culprit), "{told:?}");
    }
}
