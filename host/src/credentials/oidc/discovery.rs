//! Fetching an issuer's keys: its discovery document names where they are (OpenID Connect Discovery 1.0).

use std::time::Duration;

use reqwest::{StatusCode, header};
use serde::Deserialize;
use tokio::time::timeout;
use url::Url;

use super::{OidcCaller, caller::is_trustworthy, keys::KeySet};
use crate::{
    config::{ConfigError, PeerSettings},
    peers::{client_for, read_at_most},
};

/// How long both documents together may take.
pub(super) const LONGEST: Duration = Duration::from_secs(5);

/// The longest document, in bytes: 512 KiB.
const MAX_DOCUMENT: usize = 512 * 1024;

/// Why an issuer's keys cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no answer within {} s", LONGEST.as_secs())]
    TimedOut,
    #[error("{url} cannot be fetched")]
    Unreachable { url: Url, source: reqwest::Error },
    #[error("{url} was answered with the status {status}")]
    Status { url: Url, status: StatusCode },
    #[error("{url} is longer than {MAX_DOCUMENT} bytes")]
    TooLong { url: Url },
    #[error("{url} cannot be read")]
    Json { url: Url, source: serde_json::Error },
    #[error("{url} is of the issuer {issuer}")]
    OtherIssuer { url: Url, issuer: String },
    #[error("{url} names {keys} for the keys, which is not an https URL")]
    KeysUrl { url: Url, keys: String },
    #[error("{url} has no key for RS256 or ES256")]
    NoKeys { url: Url },
    #[error("the fetch ended early")]
    Ended,
}

/// What is used of a discovery document.
#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

/// Fetches keys, by the same rules by which requests to peers leave the host: authorities, proxy, no redirects.
#[derive(Debug)]
pub(super) struct Discovery(reqwest::Client);

impl Discovery {
    /// Creates the client; nothing is fetched.
    ///
    /// # Errors
    /// The variable with which TLS or the proxy cannot be set up.
    pub(super) fn new(callers: &[OidcCaller], peers: &PeerSettings) -> Result<Self, ConfigError> {
        let urls = callers.iter().map(OidcCaller::discovery);
        Ok(Self(client_for(peers, urls, LONGEST)?))
    }

    /// The keys of the issuer whose discovery document is at this URL.
    ///
    /// # Errors
    /// If they cannot be fetched now, or cannot be used.
    pub(super) async fn keys(&self, issuer: &str, url: &Url) -> Result<KeySet, FetchError> {
        timeout(LONGEST, self.read_keys(issuer, url))
            .await
            .unwrap_or(Err(FetchError::TimedOut))
    }

    async fn read_keys(&self, issuer: &str, url: &Url) -> Result<KeySet, FetchError> {
        let unreadable = |url: &Url| {
            let url = url.clone();
            |source| FetchError::Json { url, source }
        };
        let document = self.read(url).await?;
        let document: Document = serde_json::from_slice(&document).map_err(unreadable(url))?;
        if document.issuer != issuer {
            return Err(FetchError::OtherIssuer {
                url: url.clone(),
                issuer: document.issuer,
            });
        }
        let keys = Url::parse(&document.jwks_uri).ok().filter(is_trustworthy);
        let keys = keys.ok_or_else(|| FetchError::KeysUrl {
            url: url.clone(),
            keys: document.jwks_uri,
        })?;
        let set = KeySet::parse(&self.read(&keys).await?).map_err(unreadable(&keys))?;
        if set.is_empty() {
            return Err(FetchError::NoKeys { url: keys });
        }
        Ok(set)
    }

    async fn read(&self, url: &Url) -> Result<Vec<u8>, FetchError> {
        let unreachable = |source: reqwest::Error| FetchError::Unreachable {
            url: url.clone(),
            source: source.without_url(),
        };
        let request = self.0.get(url.clone());
        let request = request.header(header::ACCEPT, "application/json");
        let mut response = request.send().await.map_err(unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status {
                url: url.clone(),
                status: response.status(),
            });
        }
        let body = read_at_most(&mut response, MAX_DOCUMENT).await;
        body.map_err(unreachable)?
            .ok_or_else(|| FetchError::TooLong { url: url.clone() })
    }
}
