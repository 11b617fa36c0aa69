//! The owner's access to an account of the emulated AWS: its services by their plain protocols.

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;
use twin_capabilities::testing::Skipped;
use url::form_urlencoded;

use super::{
    emulator,
    http::{json, parse, send},
};
use crate::hosts::site::client;

/// The region of everything.
pub const REGION: &str = "us-east-1";
/// The account's own key. The emulator does not compare its signatures.
pub const KEY: &str = "test";
/// The account's number.
pub const NUMBER: &str = "000000000000";

/// The account.
#[derive(Clone, Debug)]
pub struct Account {
    client: Client,
    /// The address of the emulator.
    pub endpoint: String,
}

impl Account {
    /// That of the emulator at `TWIN_TEST_AWS`.
    ///
    /// # Errors
    /// If the variable is not set.
    pub fn find() -> Result<Self, Skipped> {
        Ok(Self {
            client: client(),
            endpoint: emulator("TWIN_TEST_AWS")?,
        })
    }

    /// A call in the JSON protocol: `AmazonSQS.ReceiveMessage`.
    ///
    /// # Panics
    /// If it fails.
    pub async fn json(&self, service: &str, target: &str, body: &Value) -> Value {
        let request = self
            .signed(Method::POST, service, "/")
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.0");
        json(request, body).await
    }

    /// A call in the protocol REST with JSON.
    ///
    /// # Panics
    /// If it fails.
    pub async fn rest(&self, service: &str, method: Method, path: &str, body: &Value) -> Value {
        let (status, reply) = self.try_rest(service, method, path, body).await;
        assert!(status.is_success(), "{path}: {status}: {reply}");
        parse(&reply)
    }

    /// The same, which may fail.
    pub async fn try_rest(
        &self,
        service: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> (StatusCode, String) {
        let mut request = self
            .signed(method, service, path)
            .header("content-type", "application/json");
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        send(request).await
    }

    /// A call in the query protocol, which may fail.
    pub async fn query(&self, service: &str, parameters: &[(&str, &str)]) -> (StatusCode, String) {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(parameters);
        let request = self
            .signed(Method::POST, service, "/")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.finish());
        send(request).await
    }

    fn signed(&self, method: Method, service: &str, path: &str) -> RequestBuilder {
        let scope = format!("{KEY}/20260101/{REGION}/{service}/aws4_request");
        let signed =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
        self.client
            .request(method, self.endpoint.clone() + path)
            .header("x-amz-date", "20260101T000000Z")
            .header("authorization", signed)
    }
}
