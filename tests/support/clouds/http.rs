//! Requests to the services, in their plain HTTP.

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;

/// A client of emulators.
#[derive(Clone, Debug)]
pub(super) struct Http(Client);

impl Http {
    pub(super) fn new() -> Self {
        // An error means that a provider is already installed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().no_proxy().tls_certs_only([]);
        Self(client.build().unwrap())
    }

    pub(super) fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.0.request(method, url)
    }

    /// Sends JSON, and reads JSON.
    pub(super) async fn json(&self, method: Method, url: &str, body: &Value) -> Value {
        let (status, reply) = send(self.request(method, url).body(body.to_string())).await;
        assert!(status.is_success(), "{url} answered {status}: {reply}");
        parse(&reply)
    }
}

/// Sends a request, and reads the reply.
pub(super) async fn send(request: RequestBuilder) -> (StatusCode, String) {
    let reply = request.send().await.unwrap();
    (reply.status(), reply.text().await.unwrap())
}

/// An empty text is null.
pub(super) fn parse(text: &str) -> Value {
    match text {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {text}")),
    }
}
