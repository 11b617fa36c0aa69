//! A peer at a URL: HTTP with persistent connections, TLS, and no hidden retries or redirects.

use std::{error::Error, fs, time::Duration};

use http::{HeaderValue, Method, header};
use reqwest::{Certificate, Proxy, redirect, retry};
use url::Url;

use super::{
    auth::authorize,
    coding::{self, Codings},
    connections::{Noting, noting},
    failure,
};
use crate::{
    config::{ConfigError, PeerSettings},
    headers,
    secrets::PrivateUrl,
    telemetry::trace,
};
use twin_capabilities::{
    PeerAuth,
    peers::{Reply, Request, SendFailure},
};

/// The longest reply, in bytes: 2 MiB.
const MAX_REPLY: usize = 2 * 1024 * 1024;

/// How long an unused connection is kept. Receivers keep it longer (this project's ingress: 15 s), so no request uses one
/// that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many unused connections to one receiver are kept. Without this limit, ten thousand deliveries that wait after a
/// failure would hold as many connections, with their buffers.
const IDLE_CONNECTIONS: usize = 512;

/// After how long a busy connection is checked, and how long the check waits for an answer.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// How many headers a reply may have. Gateways add many; without this the client's own limit would be 100.
const MAX_HEADERS: usize = 512;

/// How long the headers of a reply over HTTP/2 may be, in bytes: about what the client accepts over HTTP/1.1. The default
/// is 16 KiB.
const MAX_HEADER_LIST: u32 = 400 * 1024;

/// The HTTP client.
pub(super) struct Client {
    /// Reuses connections.
    kept: reqwest::Client,
    /// Opens a connection for each request.
    fresh: reqwest::Client,
    codings: Codings,
}

/// A reply, and what it shows about its sender.
struct Received {
    reply: Reply,
    takes_gzip: bool,
}

/// An exchange without a reply.
struct Lost {
    failure: SendFailure,
    /// Whether there was a connection, which then broke.
    was_connected: bool,
}

impl Client {
    /// Creates the client. TLS is set up only if a peer needs it.
    pub(super) fn new(settings: &PeerSettings) -> Result<Self, ConfigError> {
        Ok(Self {
            kept: client(settings, IDLE_CONNECTIONS)?,
            fresh: client(settings, 0)?,
            codings: Codings::default(),
        })
    }

    /// Sends once, with a credential unless the URL contains one, and compressed if the peer accepts it. The caller limits
    /// the time.
    pub(super) async fn send(
        &self,
        url: &PrivateUrl,
        auth: Option<&dyn PeerAuth>,
        request: Request,
    ) -> Result<Reply, SendFailure> {
        let url = url.expose();
        let method = Method::from_bytes(request.method.as_bytes()).map_err(failure::other)?;
        let mut plain = reqwest::Request::new(method, with_query(url, &request.query));
        let sent = plain.headers_mut();
        for (name, value) in &request.headers {
            if let Some((name, value)) = headers::parse(name, value) {
                sent.append(name, value);
            }
        }
        // Which trace this belongs to is the host's to say.
        if let Some(scope) = trace::current() {
            scope.context().put(sent);
        }
        let packed = self.codings.pack(url, &request.body).await;
        if !request.body.is_empty() || request.method != "GET" {
            *plain.body_mut() = Some(request.body.into());
        }
        let mut refusal = None;
        if let Some((packed, coded)) = packed.zip(plain.try_clone()) {
            let Received { reply, takes_gzip } = self.send_coded(url, auth, coded, packed).await?;
            if !may_refuse_coding(reply.status, takes_gzip) {
                self.codings.took(url);
                self.codings.learn(url, takes_gzip);
                return Ok(reply);
            }
            refusal = Some(reply.status);
        }
        authorize(&mut plain, auth).await?;
        let exchanged = self.exchange(plain).await;
        let Received { reply, takes_gzip } = exchanged.map_err(|lost| lost.failure)?;
        self.codings.learn(url, takes_gzip);
        if refusal.is_some_and(|status| status != reply.status) {
            self.codings.refused(url);
        }
        Ok(reply)
    }

    /// Sends a body in gzip. If there was a connection but no reply, or no reply in time, the coding may be the cause, so
    /// the next message is sent without it.
    async fn send_coded(
        &self,
        url: &Url,
        auth: Option<&dyn PeerAuth>,
        mut coded: reqwest::Request,
        packed: Vec<u8>,
    ) -> Result<Received, SendFailure> {
        let gzip = HeaderValue::from_static("gzip");
        coded.headers_mut().insert(header::CONTENT_ENCODING, gzip);
        *coded.body_mut() = Some(packed.into());
        authorize(&mut coded, auth).await?;
        let unanswered = self.codings.until_answered(url);
        let received = self.exchange(coded).await;
        if received
            .as_ref()
            .err()
            .is_none_or(|lost| !lost.was_connected)
        {
            unanswered.answered();
        }
        received.map_err(|lost| lost.failure)
    }

    /// One exchange. If a kept connection turns out to be dead, a request that is safe to repeat is sent once more over a
    /// new connection: other kept connections may also be dead, and the peer is not at fault.
    async fn exchange(&self, request: reqwest::Request) -> Result<Received, Lost> {
        let again = is_repeatable(&request)
            .then(|| request.try_clone())
            .flatten();
        let (outcome, is_new) = noting(run(&self.kept, request)).await;
        match (outcome, again) {
            (
                Err(Lost {
                    failure: SendFailure::Unreachable(cause),
                    was_connected: true,
                }),
                Some(again),
            ) if !is_new => {
                tracing::debug!(
                    cause,
                    "a kept-alive connection was dead: sending once more over a new one"
                );
                run(&self.fresh, again).await
            }
            (outcome, _) => outcome,
        }
    }
}

/// Whether a reply to a coded body may refuse the coding rather than the message: a 415, a 400 (the result if a gateway in
/// between removes the header), or a gateway's reply to a body that it cannot inspect.
const fn may_refuse_coding(status: u16, takes_gzip: bool) -> bool {
    matches!(status, 400 | 415) || (matches!(status, 403 | 406 | 422) && !takes_gzip)
}

/// A client for peers that keeps at most this many unused connections to one receiver.
fn client(
    settings: &PeerSettings,
    idle_connections: usize,
) -> Result<reqwest::Client, ConfigError> {
    let builder = builder(settings, wants_tls(settings))?
        .connector_layer(Noting)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .pool_max_idle_per_host(idle_connections)
        .tcp_nodelay(true)
        .tcp_keepalive(KEEP_ALIVE)
        .http1_max_headers(MAX_HEADERS)
        .http2_max_header_list_size(MAX_HEADER_LIST)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .http2_keep_alive_timeout(KEEP_ALIVE);
    build(builder)
}

/// Whether a request may arrive twice: a query, or a message with an id.
fn is_repeatable(request: &reqwest::Request) -> bool {
    request.method() == Method::GET || request.headers().contains_key("idempotency-key")
}

async fn run(client: &reqwest::Client, request: reqwest::Request) -> Result<Received, Lost> {
    let response = client.execute(request).await.map_err(Lost::from)?;
    receive(response).await
}

impl From<reqwest::Error> for Lost {
    fn from(error: reqwest::Error) -> Self {
        Self {
            was_connected: !error.is_connect() && !error.is_builder(),
            failure: failure::of(error),
        }
    }
}

/// A client that repeats nothing, follows no redirects, and uses no proxy except `TWIN_HTTP_PROXY`. Without TLS it needs no
/// authorities, so a host without any can still send plain HTTP.
fn builder(settings: &PeerSettings, tls: bool) -> Result<reqwest::ClientBuilder, ConfigError> {
    // The process has one provider; an error means that it is already installed.
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

/// A client for commands, which send to one URL by the same rules as for peers. `timeout` limits each request.
///
/// # Errors
/// If the proxy or the file of authorities cannot be used.
pub fn command_client(
    settings: &PeerSettings,
    url: &Url,
    timeout: Duration,
) -> Result<reqwest::Client, ConfigError> {
    client_for(settings, [url], timeout)
}

/// A client that sends to these URLs by the same rules as to peers. `timeout` limits each request.
///
/// # Errors
/// If the proxy or the file of authorities cannot be used.
pub(crate) fn client_for<'a>(
    settings: &PeerSettings,
    urls: impl IntoIterator<Item = &'a Url>,
    timeout: Duration,
) -> Result<reqwest::Client, ConfigError> {
    let mut urls = urls.into_iter();
    let tls = urls.any(|url| url.scheme() == "https") || wants_tls(settings);
    build(builder(settings, tls)?.timeout(timeout))
}

/// Reads a reply to its end.
async fn receive(mut response: reqwest::Response) -> Result<Received, Lost> {
    let status = response.status().as_u16();
    let takes_gzip = coding::announces_gzip(response.headers());
    let headers = headers::of_reply(response.headers());
    let body = read_at_most(&mut response, MAX_REPLY).await?;
    let body = body.ok_or_else(|| Lost {
        failure: SendFailure::Other(format!("the reply is longer than {MAX_REPLY} bytes")),
        was_connected: true,
    })?;
    Ok(Received {
        reply: Reply {
            status,
            headers,
            body,
        },
        takes_gzip,
    })
}

/// Reads a body to its end; `None` if it is longer than `limit` bytes.
pub(crate) async fn read_at_most(
    response: &mut reqwest::Response,
    limit: usize,
) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// The URL with a query appended to its own.
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
    let expected = format!("{expected} ({})", failure::words(&error));
    ConfigError::Invalid {
        variable,
        value: None,
        expected,
    }
}
