//! Calls of Google's services over REST.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use reqwest::{
    Client, Method, Response, Url,
    header::{CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect, retry,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::timeout;
use twin_capabilities::provider::micros;
use twin_documents::{Kind, ServiceClock, ServiceError};

use crate::{Endpoints, GcpError, Identity, credentials::Access, error};

/// What all services of a twin share: connections, credentials, and the services' clock.
pub(crate) struct Link {
    client: Client,
    access: Access,
    clock: ServiceClock,
}

impl Link {
    /// # Errors
    /// If there are no credentials, or no certificate authorities.
    pub(crate) fn open(
        identity: Identity,
        endpoints: &Endpoints,
        clock: ServiceClock,
    ) -> Result<Arc<Self>, GcpError> {
        // One provider per process; an error means that there already is one. The credentials' own client uses it, too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder();
        if endpoints.are_plain() {
            // Reading the system's authorities takes a moment, and there may be none.
            builder = builder.tls_certs_only([]);
        }
        let client = builder
            .user_agent(concat!("twin/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .no_proxy()
            .tcp_nodelay(true)
            .build()
            .map_err(GcpError::Tls)?;
        let access = Access::open(identity)?;
        Ok(Arc::new(Self {
            client,
            access,
            clock,
        }))
    }
}

/// One service.
#[derive(Clone)]
pub(crate) struct Service {
    name: &'static str,
    /// The URL that paths are appended to, without a slash at its end.
    base: String,
    link: Arc<Link>,
}

impl fmt::Debug for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.base)
    }
}

/// What a call is, for limits and errors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// The permission that it needs.
    pub(crate) action: &'static str,
    /// The longest that it may take, from the token to the last byte of the answer.
    pub(crate) limit: Duration,
}

impl Service {
    /// # Errors
    /// If the endpoint is not a URL, or credentials would be sent to it unencrypted.
    pub(crate) fn at(
        name: &'static str,
        setting: &'static str,
        endpoint: &str,
        link: &Arc<Link>,
    ) -> Result<Self, GcpError> {
        let invalid = || GcpError::SettingInvalid {
            setting,
            value: endpoint.to_owned(),
            expected: "an https URL without query",
        };
        let url = Url::parse(endpoint).map_err(|_| invalid())?;
        let plain = match url.scheme() {
            "https" => false,
            "http" => true,
            _ => return Err(invalid()),
        };
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
            return Err(invalid());
        }
        if plain && !link.access.is_anonymous() {
            return Err(GcpError::PlainHttp { setting });
        }
        Ok(Self {
            name,
            base: url.as_str().trim_end_matches('/').to_owned(),
            link: Arc::clone(link),
        })
    }

    pub(crate) async fn get<A: DeserializeOwned>(
        &self,
        call: Call,
        path: &str,
    ) -> Result<A, ServiceError> {
        self.send(call, Method::GET, path, None).await
    }

    pub(crate) async fn post<A: DeserializeOwned>(
        &self,
        call: Call,
        path: &str,
        body: &impl Serialize,
    ) -> Result<A, ServiceError> {
        let body = self.encode(call, body)?;
        self.send(call, Method::POST, path, Some(body)).await
    }

    /// The body of a request. It is made once, also where the request is sent several times.
    pub(crate) fn encode(&self, call: Call, body: &impl Serialize) -> Result<Bytes, ServiceError> {
        let encoded = serde_json::to_vec(body).map(Bytes::from);
        encoded.map_err(|_| self.failed(call, ("cannot be encoded".to_owned(), Kind::Rejected)))
    }

    /// Makes a call once, and reads its answer to the end.
    pub(crate) async fn send<A: DeserializeOwned>(
        &self,
        call: Call,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<A, ServiceError> {
        let exchange = self.exchange(method, path, body);
        let answer = timeout(call.limit, exchange)
            .await
            .unwrap_or_else(|_| Err((error::TIMED_OUT.to_owned(), Kind::Unavailable)))
            .map_err(|failure| self.failed(call, failure))?;
        serde_json::from_slice(&answer).map_err(|_| self.unreadable(call))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Bytes, (String, Kind)> {
        let link = &self.link;
        let access = link.access.headers().await;
        let access = access.map_err(|failure| error::of_credentials(&failure))?;
        let url = format!("{}/v1/{path}", self.base);
        let mut request = link.client.request(method, url).headers(access);
        if let Some(body) = body {
            let json = HeaderValue::from_static("application/json");
            request = request.header(CONTENT_TYPE, json).body(body);
        }
        let sent = Instant::now();
        let transport = |failure: reqwest::Error| error::of_transport(&failure);
        let response = request.send().await.map_err(transport)?;
        self.observe(&response, sent);
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let answer = response.bytes().await.map_err(transport)?;
        if status.is_success() {
            return Ok(answer);
        }
        Err(error::of_answer(status.as_u16(), &answer, retry_after))
    }

    fn observe(&self, response: &Response, sent: Instant) {
        let date = response.headers().get(DATE).and_then(|date| {
            let date = httpdate::parse_http_date(date.to_str().ok()?).ok()?;
            date.duration_since(std::time::UNIX_EPOCH).ok()
        });
        if let Some(date) = date {
            self.link.clock.observe(micros(date), sent.elapsed());
        }
    }

    /// A failure of a call.
    pub(crate) fn failed(&self, call: Call, (code, kind): (String, Kind)) -> ServiceError {
        ServiceError {
            service: self.name,
            action: call.action,
            code,
            kind,
        }
    }

    /// The service answered with something that this program does not understand.
    pub(crate) fn unreadable(&self, call: Call) -> ServiceError {
        self.failed(call, ("unreadable answer".to_owned(), Kind::Rejected))
    }
}

/// `Retry-After` in seconds, which is the only form that Google's services use.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(endpoint: &str) -> Result<Service, GcpError> {
        let endpoints = Endpoints {
            firestore: endpoint.to_owned(),
            ..Endpoints::default()
        };
        let link = Link::open(Identity::Anonymous, &endpoints, ServiceClock::default()).unwrap();
        Service::at("Firestore", "endpoints.firestore", endpoint, &link)
    }

    #[test]
    fn an_endpoint_is_a_url() {
        for (endpoint, base) in [
            (
                "https://firestore.googleapis.com",
                "https://firestore.googleapis.com",
            ),
            (
                "https://private.example/google/",
                "https://private.example/google",
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(at(endpoint).unwrap().base, base);
        }
        for endpoint in ["", "firestore", "ftp://a", "https://a?b=c", "https://u:p@a"] {
            let refused = at(endpoint);
            let invalid = matches!(refused, Err(GcpError::SettingInvalid { .. }));
            assert!(invalid, "{endpoint}");
        }
    }

    #[test]
    fn retry_after_is_in_seconds() {
        let of = |text| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            retry_after(&headers)
        };
        assert_eq!(of("30"), Some(Duration::from_secs(30)));
        assert_eq!(of("soon"), None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
