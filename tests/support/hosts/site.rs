//! Requests to a cloud, at its URL and with its key.

use reqwest::Method;
use serde_json::Value;
use twin_contract::Cloud;
use twin_host::credentials::HeaderForm;

use super::replies::{Reply, text};

/// A cloud as seen by its callers.
#[derive(Debug)]
pub struct Site {
    /// Decides in which header the key is sent.
    pub cloud: Cloud,
    /// The URL, without a slash at its end.
    pub base: String,
    /// The key of its callers.
    pub key: String,
    client: reqwest::Client,
}

impl Site {
    /// A cloud at a URL.
    pub fn of(cloud: Cloud, base: String, key: String) -> Self {
        Self {
            cloud,
            base,
            key,
            client: client(),
        }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The header with the key, in the cloud's form.
    pub fn credential(&self) -> (&'static str, String) {
        let form = HeaderForm::of(Some(self.cloud));
        (form.header(), form.value(self.key.as_str()))
    }

    /// Sends a request with some headers; `None` if there was no reply.
    pub async fn send(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Reply> {
        let mut request = self.client.request(method, self.url(target));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = request.body(body.to_owned()).send().await.ok()?;
        let status = reply.status().as_u16();
        let headers = reply.headers().iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.as_str().to_owned(), value.into_owned())
        });
        Some(Reply {
            status,
            headers: headers.collect(),
            text: reply.text().await.ok()?,
        })
    }

    /// Posts with the key.
    pub async fn post(&self, path: &str, body: &str) -> Reply {
        let (name, value) = self.credential();
        let headers = [(name, value.as_str())];
        let reply = self.send(Method::POST, path, &headers, body).await;
        reply.expect("a reply")
    }

    /// Gets with the key.
    pub async fn get(&self, target: &str) -> Reply {
        let (name, value) = self.credential();
        let headers = [(name, value.as_str())];
        let reply = self.send(Method::GET, target, &headers, "").await;
        reply.expect("a reply")
    }

    /// All items of a list, page by page.
    pub async fn items(&self, target: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let joint = if target.contains('?') { '&' } else { '?' };
            let page = self
                .get(&format!("{target}{joint}limit=1000{cursor}"))
                .await;
            page.assert_status(200);
            let page = page.json();
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }

    /// The values of a text field of all items of a list.
    pub async fn texts(&self, target: &str, field: &str) -> Vec<String> {
        let items = self.items(target).await;
        items.iter().map(|item| text(item, field)).collect()
    }
}

/// A client of what runs on this machine: it trusts no certificate, and uses no proxy.
pub fn client() -> reqwest::Client {
    local().build().unwrap()
}

/// Such a client, with what else it needs.
pub(super) fn local() -> reqwest::ClientBuilder {
    // An error means that a provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().tls_certs_only([])
}
