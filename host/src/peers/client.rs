//! A peer behind a URL: HTTP with kept connections, TLS, and nothing done twice or behind the component's back.

use std::{error::Error, fs, time::Duration};

use http::{HeaderName, HeaderValue, Method};
use reqwest::{Certificate, Proxy, redirect, retry};
use url::Url;

use crate::{
    bindings::peers::{Failure, Reply, Request},
    config::{ConfigError, PeerSettings},
    credentials::HeaderForm,
    headers,
    secrets::{PrivateUrl, Secret},
};

/// The longest reply, in bytes: 2 MiB.
const MAX_REPLY: usize = 2 * 1024 * 1024;

/// How long an unused connection is kept: less than receivers keep it (the own ingress: 15 s), so that no request meets
/// one that is just closing.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many unused connections to one receiver are kept. Ten thousand deliveries that wait after a failure would else hold as
/// many connections, with their buffers.
const IDLE_CONNECTIONS: usize = 512;

/// When to ask whether a busy connection still lives, and how long to wait for the answer.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The HTTP client.
pub(super) struct Client {
    http: reqwest::Client,
}

impl Client {
    /// Sets up TLS, only if some peer wants it.
    pub(super) fn new(settings: &PeerSettings) -> Result<Self, ConfigError> {
        let builder = builder(settings, wants_tls(settings))?
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .tcp_nodelay(true)
            .tcp_keepalive(KEEP_ALIVE)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE);
        Ok(Self {
            http: build(builder)?,
        })
    }

    /// Sends once, with a key if the URL has none of its own. The caller sees to the time.
    pub(super) async fn send(
        &self,
        url: &PrivateUrl,
        key: Option<(HeaderForm, &Secret)>,
        request: Request,
    ) -> Result<Reply, Failure> {
        let method = Method::from_bytes(request.method.as_bytes()).map_err(other)?;
        let mut outgoing = reqwest::Request::new(method, with_query(url.expose(), &request.query));
        let sent = outgoing.headers_mut();
        for (name, value) in &request.headers {
            if let Some((name, value)) = headers::parse(name, value) {
                sent.append(name, value);
            }
        }
        if let Some((form, key)) = key {
            let mut credential = HeaderValue::from_str(&form.value(key.expose())).map_err(other)?;
            credential.set_sensitive(true);
            sent.insert(HeaderName::from_static(form.header()), credential);
        }
        if !request.body.is_empty() || request.method != "GET" {
            *outgoing.body_mut() = Some(request.body.into());
        }
        receive(self.http.execute(outgoing).await.map_err(failure)?).await
    }
}

/// A client that sends nothing twice, follows no redirect, and heeds no proxy but `TWIN_HTTP_PROXY`. Without TLS it needs no
/// authorities: a host without any can still send plain HTTP.
fn builder(settings: &PeerSettings, tls: bool) -> Result<reqwest::ClientBuilder, ConfigError> {
    // One provider a process; an error says that there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let authorities = extra_authorities(settings)?;
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("twin/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .no_proxy();
    builder = if tls {
        builder.tls_certs_merge(authorities)
    } else {
        builder.tls_certs_only(authorities)
    };
    if let Some(proxy) = &settings.proxy {
        let proxy = Proxy::all(proxy.expose().as_str())
            .map_err(|error| invalid("TWIN_HTTP_PROXY", "the URL of a proxy", error))?;
        builder = builder.proxy(proxy);
    }
    Ok(builder)
}

fn build(builder: reqwest::ClientBuilder) -> Result<reqwest::Client, ConfigError> {
    builder.build().map_err(|error| {
        invalid(
            "TWIN_EXTRA_CA_FILE",
            "a file of authorities that TLS can use",
            error,
        )
    })
}

/// A client for commands, which send to one URL by the rules that hold for peers. Each request may take so long.
///
/// # Errors
/// If the proxy or the file of authorities cannot be used.
pub fn command_client(
    settings: &PeerSettings,
    url: &Url,
    timeout: Duration,
) -> Result<reqwest::Client, ConfigError> {
    let tls = url.scheme() == "https" || wants_tls(settings);
    build(builder(settings, tls)?.timeout(timeout))
}

/// Reads a reply to its end.
async fn receive(mut response: reqwest::Response) -> Result<Reply, Failure> {
    let status = response.status().as_u16();
    let headers = headers::to_list(response.headers());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        if body.len() + chunk.len() > MAX_REPLY {
            return Err(Failure::Other(format!(
                "the reply is longer than {MAX_REPLY} bytes"
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Reply {
        status,
        headers,
        body,
    })
}

/// The URL as it is, with a query behind its own.
fn with_query(url: &Url, query: &str) -> Url {
    let mut url = url.clone();
    if !query.is_empty() {
        let query = match url.query() {
            Some(own) if !own.is_empty() => format!("{own}&{query}"),
            _ => query.to_owned(),
        };
        url.set_query(Some(&query));
    }
    url
}

/// Why there is no reply. The words never hold the URL, which may hold a key.
fn failure(error: reqwest::Error) -> Failure {
    if error.is_timeout() {
        Failure::TimedOut
    } else if error.is_builder() {
        other(error.without_url())
    } else {
        Failure::Unreachable(words(&error.without_url()))
    }
}

fn other(error: impl Error + 'static) -> Failure {
    Failure::Other(words(&error))
}

/// An error and what led to it, in one line.
fn words(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

fn wants_tls(settings: &PeerSettings) -> bool {
    let remotes = settings
        .remotes
        .values()
        .filter_map(|remote| remote.url.as_ref());
    remotes
        .chain(&settings.proxy)
        .any(|url| url.expose().scheme() == "https")
}

fn extra_authorities(settings: &PeerSettings) -> Result<Vec<Certificate>, ConfigError> {
    const VARIABLE: &str = "TWIN_EXTRA_CA_FILE";
    const EXPECTED: &str = "a readable PEM file of certificate authorities";
    let Some(file) = &settings.extra_ca_file else {
        return Ok(Vec::new());
    };
    let pem = fs::read(file).map_err(|error| invalid(VARIABLE, EXPECTED, error))?;
    Certificate::from_pem_bundle(&pem)
        .ok()
        .filter(|authorities| !authorities.is_empty())
        .ok_or_else(|| ConfigError::Invalid {
            variable: VARIABLE,
            value: Some(file.display().to_string()),
            expected: EXPECTED.into(),
        })
}

fn invalid(variable: &'static str, expected: &str, error: impl Error + 'static) -> ConfigError {
    let expected = format!("{expected} ({})", words(&error));
    ConfigError::Invalid {
        variable,
        value: None,
        expected,
    }
}
