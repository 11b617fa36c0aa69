//! The devices: many requests at once over a few connections, each of them timed.

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use twin_contract::Cloud;
use twin_host::credentials::HeaderForm;

use super::telemetry::Reading;

/// Requests at once.
const AT_ONCE: usize = 32;

/// The outcome of a reading.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// The reply's status.
    pub(super) status: u16,
    /// From the request to the whole reply.
    pub(super) took: Duration,
}

/// A client of the clouds.
pub(super) struct Client(reqwest::Client);

impl Client {
    /// A client that keeps its connections.
    pub(super) fn new() -> anyhow::Result<Self> {
        // An error means that a provider is already installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .no_proxy()
            .build()?;
        Ok(Self(client))
    }

    /// Sends readings as devices do.
    pub(super) async fn send(
        &self,
        url: &str,
        cloud: Cloud,
        key: &str,
        readings: &[Reading],
    ) -> anyhow::Result<Vec<Sent>> {
        let form = HeaderForm::of(Some(cloud));
        let value = form.value(key);
        stream::iter(readings)
            .map(|reading| async {
                let started = Instant::now();
                let request = self.0.post(url).header(form.header(), &value);
                let reply = request.body(reading.to_json()).send().await?;
                let status = reply.status().as_u16();
                reply.bytes().await?;
                Ok(Sent {
                    status,
                    took: started.elapsed(),
                })
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    /// Sends one request, and reads the reply as JSON.
    pub(super) async fn ask(
        &self,
        method: reqwest::Method,
        url: &str,
        cloud: Cloud,
        key: &str,
    ) -> anyhow::Result<Value> {
        let form = HeaderForm::of(Some(cloud));
        let value = form.value(key);
        let request = self.0.request(method, url).header(form.header(), value);
        let reply = request.send().await?;
        let status = reply.status();
        let body = reply.bytes().await?;
        ensure!(
            status.is_success(),
            "{url} answered {status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(serde_json::from_slice(&body)?)
    }

    /// All items of a route, read page by page.
    pub(super) async fn items(
        &self,
        url: &str,
        cloud: Cloud,
        key: &str,
    ) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = format!("{url}{cursor}");
            let mut page = self.ask(reqwest::Method::GET, &page, cloud, key).await?;
            if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(items),
            }
        }
    }
}

/// Fails unless every reading was answered with this status.
pub(super) fn expect(sent: &[Sent], status: u16) -> anyhow::Result<()> {
    match sent.iter().find(|sent| sent.status != status) {
        Some(other) => anyhow::bail!("a reading was answered {}, not {status}", other.status),
        None => Ok(()),
    }
}

/// A line of the table.
pub(super) fn summary(name: &str, sent: &[Sent]) -> String {
    let mut times: Vec<_> = sent.iter().map(|sent| sent.took).collect();
    times.sort_unstable();
    let at = |percent: usize| {
        let place = times.len().saturating_sub(1) * percent / 100;
        let time = times.get(place).copied().unwrap_or_default();
        format!("{:.1} ms", time.as_secs_f64() * 1e3)
    };
    format!("{name:<42} {:>7} {:>9} {:>9}", sent.len(), at(50), at(99))
}
