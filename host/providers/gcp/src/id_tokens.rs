//! Tokens that say who the host is, for peers: OpenID Connect ID tokens, by Google's own library.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use google_cloud_auth::credentials::idtoken;
use serde::Deserialize;
use tokio::time::timeout;
use twin_capabilities::{Failure, IdentityTokens, Secret, peer_auth::IdentityToken};
use twin_documents::{Kind, ServiceError};

use crate::error::{self, TIMED_OUT};

/// How long a token may take.
const LIMIT: Duration = Duration::from_secs(5);

/// The ID tokens of the host's service account for one audience. Each comes with the account's e-mail address.
///
/// The account is that of the application default credentials: the metadata server's (on Cloud Run, Compute Engine, GKE), a key
/// file's, or an impersonated one. A person's login and workload identity federation have no ID tokens.
#[derive(Clone)]
pub struct IdTokens {
    audience: String,
}

impl fmt::Debug for IdTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("IdTokens")
            .field("audience", &self.audience)
            .finish()
    }
}

/// The claim that is read here; the receiver checks the token.
#[derive(Deserialize)]
struct Claims {
    /// Seconds since 1970.
    exp: u64,
}

impl IdTokens {
    /// Tokens for an audience. Nothing is looked up before the first token is fetched.
    #[must_use]
    pub fn open(audience: &str) -> Self {
        // One provider per process; an error means that there already is one. The library's own client uses it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            audience: audience.to_owned(),
        }
    }

    async fn token(&self) -> Result<String, (String, Kind)> {
        // The library remembers tokens and never gives up one that was refused, so each fetch begins anew.
        let credentials = idtoken::Builder::new(&self.audience)
            .with_include_email()
            .build()
            .map_err(|_| (NO_ACCOUNT.to_owned(), Kind::Denied))?;
        let token = credentials.id_token().await;
        token.map_err(|error| error::of_credentials(&error))
    }
}

/// The application default credentials cannot be read, or belong to somebody who has no ID tokens.
const NO_ACCOUNT: &str = "the application default credentials are not those of a service account";

#[async_trait]
impl IdentityTokens for IdTokens {
    async fn fetch(&self) -> Result<IdentityToken, Failure> {
        let token = timeout(LIMIT, self.token()).await;
        let token = token.unwrap_or_else(|_| Err((TIMED_OUT.to_owned(), Kind::Unavailable)));
        let token = token.and_then(|token| {
            let unreadable = || ("not a token".to_owned(), Kind::Rejected);
            let expires_at = expiry(&token).ok_or_else(unreadable)?;
            Ok(IdentityToken {
                token: Secret::new(token),
                expires_at,
            })
        });
        token.map_err(|(code, kind)| {
            Failure::from(ServiceError {
                service: "Google's identity service",
                action: "iam.serviceAccounts.getOpenIdToken",
                code,
                kind,
            })
        })
    }
}

/// When a token expires.
fn expiry(token: &str) -> Option<SystemTime> {
    let claims = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    let Claims { exp } = serde_json::from_slice(&claims).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(exp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_when_it_expires() {
        let token = |claims: &str| format!("head.{}.signature", URL_SAFE_NO_PAD.encode(claims));
        let expires = expiry(&token(r#"{"aud":"a","exp":1767323045}"#));
        let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045);
        assert_eq!(expires, Some(expected));
        for unreadable in [
            token(r#"{"aud":"a"}"#),
            token(r#"{"exp":-1}"#),
            token("no JSON"),
            "head.*.signature".to_owned(),
            "no token".to_owned(),
            String::new(),
        ] {
            assert_eq!(expiry(&unreadable), None, "{unreadable}");
        }
    }
}
