//! Tokens of one identity, remembered and renewed.

use std::{fmt, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use azure_core::{credentials::TokenCredential, error::ErrorKind};
use reqwest::{Client, header::HeaderValue};
use twin_capabilities::{Failure, IdentityTokens, peer_auth::IdentityToken, secrets::Secret};
use twin_documents::{Kind, ServiceError};
use twin_tasks::{Lasting, Renewing, Source};

use crate::{
    error::{self, AzureError},
    http::{self, CALL_LIMIT, Called},
    identity::default_credential,
};

/// The tokens of one identity for one of Azure's services. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Tokens(Renewing<Issuer>);

struct Issuer {
    credential: Arc<dyn TokenCredential>,
    scope: &'static str,
}

impl Tokens {
    pub(crate) fn new(credential: Arc<dyn TokenCredential>, scope: &'static str) -> Self {
        Self(Renewing::new(Issuer { credential, scope }))
    }

    /// A token that is valid now.
    pub(crate) async fn token(&self) -> Result<Secret, ServiceError> {
        self.0.current().await
    }

    /// The same as the value of `Authorization`.
    pub(crate) async fn bearer(&self, called: Called) -> Result<HeaderValue, ServiceError> {
        let token = self.token().await?;
        http::secret(&format!("Bearer {}", token.expose()), called)
    }
}

impl Source for Issuer {
    type Value = Secret;
    type Error = ServiceError;

    async fn fetch(&self) -> Result<Lasting<Secret>, ServiceError> {
        let IdentityToken { token, expires_at } =
            fetch(&*self.credential, self.scope, self.scope).await?;
        Ok(Lasting {
            value: token,
            ends_at: Some(expires_at),
        })
    }
}

/// The tokens of the host's identity for a receiver that is an application of Microsoft Entra ID.
pub struct EntraTokens {
    client: Client,
    /// `None` if the environment says who the host is.
    credential: Option<Arc<dyn TokenCredential>>,
    scope: String,
}

impl fmt::Debug for EntraTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("EntraTokens")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl EntraTokens {
    /// Tokens for an audience: the application ID URI (`api://…`) or the client id of the application that stands for the
    /// receiver. Nothing is sent. Without a credential, the host is who its environment says: see [`default_credential`].
    ///
    /// # Errors
    /// If the identity that the environment names cannot be used.
    pub fn open(
        audience: &str,
        credential: Option<Arc<dyn TokenCredential>>,
    ) -> Result<Self, AzureError> {
        let client = http::client()?;
        if credential.is_none() {
            default_credential(&client)?;
        }
        Ok(Self {
            client,
            credential,
            scope: format!("{audience}/.default"),
        })
    }
}

#[async_trait]
impl IdentityTokens for EntraTokens {
    async fn fetch(&self) -> Result<IdentityToken, Failure> {
        let credential = match &self.credential {
            Some(credential) => Arc::clone(credential),
            // Microsoft's library remembers tokens and never gives up one that was refused, so each fetch begins anew.
            None => default_credential(&self.client)
                .map_err(|error| Failure::Misconfigured(error.to_string()))?,
        };
        let token = fetch(&*credential, &self.scope, "a token for a peer").await;
        token.map_err(Failure::from)
    }
}

/// Asks once. `action` names the request in a failure.
async fn fetch(
    credential: &dyn TokenCredential,
    scope: &str,
    action: &'static str,
) -> Result<IdentityToken, ServiceError> {
    let scopes = [scope];
    let asked = tokio::time::timeout(CALL_LIMIT, credential.get_token(&scopes, None)).await;
    let answer = asked.map_err(|_| of(action, "timed out".to_owned(), Kind::Unavailable))?;
    let token = answer.map_err(|error| failure(action, &error))?;
    Ok(IdentityToken {
        token: Secret::new(token.token.secret()),
        expires_at: SystemTime::from(token.expires_on),
    })
}

fn of(action: &'static str, code: String, kind: Kind) -> ServiceError {
    ServiceError {
        service: "Microsoft Entra ID",
        action,
        code,
        kind,
    }
}

/// Why there is no token: by the answer of the service, if there was one.
fn failure(action: &'static str, error: &azure_core::Error) -> ServiceError {
    let mut cause = Some(error as &(dyn std::error::Error + 'static));
    let mut is_lost = false;
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<azure_core::Error>() {
            match error.kind() {
                ErrorKind::HttpResponse {
                    status, error_code, ..
                } => {
                    let status = u16::from(*status);
                    let subcode = error_code.as_deref().unwrap_or_default();
                    let kind = match error::kind(status, subcode, None) {
                        // The service that gives tokens says so of identities and secrets that it does not know.
                        Kind::Rejected | Kind::Missing => Kind::Denied,
                        other => other,
                    };
                    return of(action, error::code(status, subcode), kind);
                }
                ErrorKind::Io | ErrorKind::Connection => is_lost = true,
                _ => {}
            }
        }
        cause = error.source();
    }
    if is_lost {
        of(action, "not reachable".to_owned(), Kind::Unavailable)
    } else {
        of(action, "no credential".to_owned(), Kind::Denied)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use azure_core::credentials::{AccessToken, TokenRequestOptions};

    use super::*;

    /// Gives tokens that end after an hour, in a moment.
    #[derive(Debug, Default)]
    struct Giving(AtomicUsize);

    #[async_trait]
    impl TokenCredential for Giving {
        async fn get_token(
            &self,
            scopes: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            let asked = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::task::yield_now().await;
            let ends = SystemTime::now() + Duration::from_secs(3600);
            Ok(AccessToken::new(
                format!("{} {asked}", scopes.join(" ")),
                ends.into(),
            ))
        }
    }

    #[tokio::test]
    async fn a_services_token_is_fetched_once_and_shared() {
        let credential = Arc::new(Giving::default());
        let tokens = Tokens::new(credential.clone(), "scope");
        let (one, other) = tokio::join!(tokens.token(), tokens.token());
        let again = tokens.clone().token().await;
        for token in [one, other, again] {
            assert_eq!(token, Ok(Secret::new("scope 1")));
        }
        assert_eq!(credential.0.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_peers_token_is_for_its_audience_and_always_a_new_one() {
        let credential = Arc::new(Giving::default());
        let tokens = EntraTokens::open("api://writer", Some(credential)).unwrap();
        for expected in ["api://writer/.default 1", "api://writer/.default 2"] {
            let IdentityToken { token, expires_at } = tokens.fetch().await.unwrap();
            assert_eq!(token.expose(), expected);
            let left = expires_at.duration_since(SystemTime::now()).unwrap();
            assert!(left > Duration::from_secs(3500), "{left:?}");
        }
    }

    #[test]
    fn a_refusal_is_judged_by_what_the_service_answered() {
        let answered = |status: u16, code: Option<&str>| {
            let kind = ErrorKind::HttpResponse {
                status: status.into(),
                error_code: code.map(str::to_owned),
                raw_response: None,
            };
            let inner = azure_core::Error::with_message(kind, "refused");
            let outer = azure_core::Error::with_error(ErrorKind::Credential, inner, "failed");
            let ServiceError { code, kind, .. } = failure("scope", &outer);
            (code, kind)
        };
        assert_eq!(
            answered(401, Some("7000215")),
            ("401/7000215".to_owned(), Kind::Denied)
        );
        assert_eq!(answered(400, None), ("400".to_owned(), Kind::Denied));
        assert_eq!(answered(503, None), ("503".to_owned(), Kind::Unavailable));
        assert_eq!(answered(429, None).1, Kind::Throttled(None));
        let lost = azure_core::Error::with_message(ErrorKind::Io, "reset");
        let lost = azure_core::Error::with_error(ErrorKind::Credential, lost, "failed");
        assert_eq!(failure("scope", &lost).kind, Kind::Unavailable);
    }
}
