//! The set-up of the demo: three clouds, one of which can be cut off, and requests to them.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use anyhow::Context;
use reqwest::Method;
use serde_json::Value;
use twin_contract::Cloud;
use twin_host::{host::Host, runtime::Sandbox};

use super::{
    device::{Client, Sent},
    telemetry::Reading,
};
use crate::cli::{out::say, placement::Placement, up::Clouds};

/// Times shorter than in the specification, which let the demo end within seconds. The rules are the same.
const SHORTER: [(&str, &str); 4] = [
    ("RETRY_INITIAL_MS", "100"),
    ("CIRCUIT_FAILING_SECONDS", "1"),
    ("CIRCUIT_OPEN_SECONDS", "2"),
    ("DRAIN_TIMEOUT_MS", "2000"),
];

/// The same in words.
pub(super) const SHORTER_SAID: &str = "Here the first retry comes after 0.1 s, and a circuit opens after 1 s of failures for 2 s; the specification says 1 s, \
     60 s and 300 s.";

/// Three clouds, and a client in front of them.
pub(super) struct Stage {
    clouds: Clouds,
    sandbox: Sandbox,
    hosts: BTreeMap<Cloud, Host>,
    client: Client,
}

/// The result of reading everything back.
pub(super) struct Found {
    /// Found at least once, unchanged.
    pub(super) matched: usize,
    /// Found more than once.
    pub(super) doubled: usize,
    /// Found with different digits.
    pub(super) altered: usize,
}

impl Stage {
    /// Starts the three clouds, with their data below a folder.
    pub(super) async fn build(folder: &Path) -> anyhow::Result<Self> {
        let clouds = Clouds::bind(Placement::default(), folder, 0).await?;
        let sandbox = Sandbox::new()?;
        let mut hosts = BTreeMap::new();
        for cloud in clouds.used() {
            hosts.insert(cloud, clouds.start(&sandbox, cloud, &SHORTER).await?);
        }
        let client = Client::new()?;
        Ok(Self {
            clouds,
            sandbox,
            hosts,
            client,
        })
    }

    /// Prints what runs where.
    pub(super) fn introduce(&self) -> anyhow::Result<()> {
        for (cloud, host) in &self.hosts {
            let functions = host.config().functions.iter();
            let names: Vec<_> = functions.map(|function| function.as_str()).collect();
            say!(
                "  {:<6} {}  {}",
                cloud.as_str(),
                self.clouds.url(*cloud),
                names.join(", ")
            )?;
        }
        Ok(())
    }

    /// Stops a cloud: its address refuses connections from now on.
    pub(super) async fn cut_off(&mut self, cloud: Cloud) {
        if let Some(host) = self.hosts.remove(&cloud) {
            host.stop().await;
        }
    }

    /// Starts a cloud again, at its address and with its data.
    pub(super) async fn restore(&mut self, cloud: Cloud) -> anyhow::Result<()> {
        let host = self.clouds.start(&self.sandbox, cloud, &SHORTER).await?;
        self.hosts.insert(cloud, host);
        Ok(())
    }

    /// Stops all clouds.
    pub(super) async fn close(&mut self) {
        for host in std::mem::take(&mut self.hosts).into_values() {
            host.stop().await;
        }
    }

    /// Sends readings to L1.
    pub(super) async fn send(&self, readings: &[Reading]) -> anyhow::Result<Vec<Sent>> {
        let cloud = Cloud::Aws;
        let url = format!("{}/telemetry", self.clouds.url(cloud));
        self.client
            .send(&url, cloud, self.clouds.key(cloud), readings)
            .await
    }

    /// The dead letters of L2.
    pub(super) async fn letters(&self) -> anyhow::Result<Vec<Value>> {
        self.items(Cloud::Azure, "/dead-letters?limit=1000").await
    }

    /// Replays the dead letters of L2 and returns how many were delivered.
    pub(super) async fn replay(&self) -> anyhow::Result<usize> {
        let cloud = Cloud::Azure;
        let url = format!("{}/dead-letters/replay", self.clouds.url(cloud));
        let key = self.clouds.key(cloud);
        let report = self.client.ask(Method::POST, &url, cloud, key).await?;
        let replayed = report.get("replayed").and_then(Value::as_u64);
        Ok(usize::try_from(
            replayed.context("a replay says how many it replayed")?,
        )?)
    }

    /// The system errors of a cloud, oldest first, as text.
    pub(super) async fn system_errors(&self, cloud: Cloud) -> anyhow::Result<Vec<String>> {
        let errors = self.items(cloud, "/errors?order=asc&limit=1000").await?;
        let told = errors.iter().map(|error| {
            let text = |field: &str| error.get(field).and_then(Value::as_str).unwrap_or("-");
            format!(
                "{} {}: {}",
                text("severity"),
                text("error_code"),
                text("message")
            )
        });
        Ok(told.collect())
    }

    /// Reads everything back from L3 and compares it with what was sent.
    pub(super) async fn read_back(&self, readings: &[Reading]) -> anyhow::Result<Found> {
        let mut stored: HashMap<(String, String), Vec<String>> = HashMap::new();
        for device in ["seattle", "san-francisco"] {
            let target = format!("/read?device_id={device}&order=asc&limit=1000");
            for item in self.items(Cloud::Gcp, &target).await? {
                let time = item.get("timestamp").and_then(Value::as_str);
                let temperature = item
                    .get("payload")
                    .and_then(|payload| payload.get("temperature"));
                let key = (device.to_owned(), time.unwrap_or_default().to_owned());
                let digits = temperature.map(ToString::to_string);
                stored
                    .entry(key)
                    .or_default()
                    .push(digits.unwrap_or_default());
            }
        }
        let doubled = stored
            .values()
            .map(|found| found.len().saturating_sub(1))
            .sum();
        let (mut matched, mut altered) = (0, 0);
        for reading in readings {
            let key = (reading.device_id.to_owned(), reading.time.clone());
            match stored.get(&key).and_then(|found| found.first()) {
                Some(digits) if digits == reading.temperature => matched += 1,
                Some(_) => altered += 1,
                None => {}
            }
        }
        Ok(Found {
            matched,
            doubled,
            altered,
        })
    }

    async fn items(&self, cloud: Cloud, target: &str) -> anyhow::Result<Vec<Value>> {
        let url = format!("{}{target}", self.clouds.url(cloud));
        self.client.items(&url, cloud, self.clouds.key(cloud)).await
    }
}
