//! Requests to Azure's services: sent once, within a time limit, and answered in full.

use std::{
    mem,
    time::{Duration, Instant, UNIX_EPOCH},
};

use bytes::Bytes;
use reqwest::{
    Client, Request, StatusCode,
    header::{DATE, HeaderMap, HeaderValue},
    redirect, retry,
};
use twin_capabilities::provider::micros;
use twin_documents::{Kind, ServiceClock, ServiceError};

use crate::error::{self, AzureError};

/// How long a call of a service may take.
pub(crate) const CALL_LIMIT: Duration = Duration::from_secs(5);

/// What a call is named after in a failure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Called {
    /// As the vendor calls the service.
    pub(crate) service: &'static str,
    /// As the vendor's permissions name the call.
    pub(crate) action: &'static str,
}

/// A complete answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    took: Duration,
}

impl Answer {
    /// The failure that it is.
    pub(crate) fn failure(&self, called: Called) -> ServiceError {
        error::of_answer(
            called.service,
            called.action,
            self.status.as_u16(),
            &self.headers,
        )
    }

    /// Itself, if it is a success.
    pub(crate) fn success(self, called: Called) -> Result<Self, ServiceError> {
        if self.status.is_success() {
            Ok(self)
        } else {
            Err(self.failure(called))
        }
    }

    /// Its body, as JSON.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(
        &self,
        called: Called,
    ) -> Result<T, ServiceError> {
        serde_json::from_slice(&self.body)
            .map_err(|_| error::unreadable(called.service, called.action))
    }

    /// A header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Lets a clock learn the service's time.
    pub(crate) fn shows_time_to(&self, clock: &ServiceClock) {
        let date = self.header(DATE.as_str());
        let Some(date) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else {
            return;
        };
        if let Ok(since) = date.duration_since(UNIX_EPOCH) {
            clock.observe(micros(since), self.took);
        }
    }
}

/// A client that sends each request once, follows no redirects, and uses no proxy of the environment.
pub(crate) fn client() -> Result<Client, AzureError> {
    // One provider per process; an error means that there already is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .user_agent(concat!("twin/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .no_proxy()
        .build()
        .map_err(AzureError::TlsUnusable)
}

/// Sends a request and reads its answer, all within `limit`.
pub(crate) async fn send(
    client: &Client,
    mut request: Request,
    limit: Duration,
    called: Called,
) -> Result<Answer, ServiceError> {
    *request.timeout_mut() = Some(limit);
    let began = Instant::now();
    let failure = |error| error::of_exchange(called.service, called.action, &error);
    let mut response = client.execute(request).await.map_err(failure)?;
    let took = began.elapsed();
    let (status, headers) = (response.status(), mem::take(response.headers_mut()));
    let body = response.bytes().await.map_err(failure)?;
    Ok(Answer {
        status,
        headers,
        body,
        took,
    })
}

/// A text as the value of a header.
pub(crate) fn value(text: &str, called: Called) -> Result<HeaderValue, ServiceError> {
    HeaderValue::from_str(text).map_err(|_| ServiceError {
        service: called.service,
        action: called.action,
        code: "a header would have control characters".to_owned(),
        kind: Kind::Rejected,
    })
}

/// The same, not to be shown.
pub(crate) fn secret(text: &str, called: Called) -> Result<HeaderValue, ServiceError> {
    let mut value = value(text, called)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The URL of something below an endpoint; the names are percent-encoded. `endpoint` must be one that [`endpoint`] accepted.
pub(crate) fn below<'a>(endpoint: &url::Url, names: impl IntoIterator<Item = &'a str>) -> url::Url {
    let mut url = endpoint.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(names);
    }
    url
}

/// The URL of a setting: HTTP or HTTPS, with a host.
pub(crate) fn endpoint(name: &'static str, text: &str) -> Result<url::Url, AzureError> {
    url::Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or(AzureError::SettingInvalid {
            name,
            expected: "an HTTP or HTTPS URL",
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_below_an_endpoint() {
        let below = |at, names: &[&str]| {
            let endpoint = endpoint("endpoint", at).unwrap();
            below(&endpoint, names.iter().copied()).to_string()
        };
        assert_eq!(
            below("https://a.example:443/", &["dbs", "a/b c?"]),
            "https://a.example/dbs/a%2Fb%20c%3F"
        );
        assert_eq!(
            below("http://127.0.0.1:1/account?sig=a%2B", &["x"]),
            "http://127.0.0.1:1/account/x?sig=a%2B"
        );
        for unusable in ["", "a.example", "ftp://a.example", "mailto:a"] {
            assert!(endpoint("endpoint", unusable).is_err(), "{unusable}");
        }
    }
}
