//! Tokens, kept until shortly before they end.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use azure_core::{
    credentials::{AccessToken, TokenCredential},
    error::ErrorKind,
};
use reqwest::header::HeaderValue;
use twin_capabilities::secrets::Secret;
use twin_documents::{Kind, ServiceError};
use twin_tasks::DetachOnDrop;

use crate::{
    error,
    http::{self, CALL_LIMIT, Called},
};

/// How long before its end a token is replaced.
const MARGIN: Duration = Duration::from_secs(300);

/// How long a token is kept at least: some sources hand out the same one until it ends.
const PAUSE: Duration = Duration::from_secs(30);

/// The tokens of one identity for one scope. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Tokens(Arc<Source>);

#[derive(Debug)]
struct Source {
    credential: Arc<dyn TokenCredential>,
    scope: &'static str,
    kept: Mutex<Option<Kept>>,
    /// Held by the one who fetches.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug)]
struct Kept {
    token: Secret,
    replace_at: SystemTime,
    ends_at: SystemTime,
}

impl Tokens {
    pub(crate) fn new(credential: Arc<dyn TokenCredential>, scope: &'static str) -> Self {
        Self(Arc::new(Source {
            credential,
            scope,
            kept: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }))
    }

    /// A token that is valid now. One that has to be fetched arrives also if its first caller does not wait for it any more.
    pub(crate) async fn token(&self) -> Result<Secret, ServiceError> {
        if let Some(token) = self.0.fresh() {
            return Ok(token);
        }
        let source = Arc::clone(&self.0);
        DetachOnDrop::of(async move { source.fetch().await }).await
    }

    /// The same as the value of `Authorization`.
    pub(crate) async fn bearer(&self, called: Called) -> Result<HeaderValue, ServiceError> {
        let token = self.token().await?;
        http::secret(&format!("Bearer {}", token.expose()), called)
    }
}

impl Source {
    fn fresh(&self) -> Option<Secret> {
        let now = SystemTime::now();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = kept
            .as_ref()
            .filter(|kept| now < kept.replace_at.min(kept.ends_at));
        fresh.map(|kept| kept.token.clone())
    }

    async fn fetch(&self) -> Result<Secret, ServiceError> {
        let _one = self.fetching.lock().await;
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let scopes = [self.scope];
        let asked = self.credential.get_token(&scopes, None);
        let asked = tokio::time::timeout(CALL_LIMIT, asked);
        let answer = match asked.await {
            Ok(answer) => answer.map_err(|error| failure(self.scope, &error)),
            Err(_) => Err(of(self.scope, "timed out".to_owned(), Kind::Unavailable)),
        };
        let now = SystemTime::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match answer {
            Ok(token) => {
                let new = keep(&token, now);
                let token = new.token.clone();
                *kept = Some(new);
                Ok(token)
            }
            Err(failure) => match kept.as_mut() {
                // The last one is good for a while yet.
                Some(last) if now < last.ends_at => {
                    last.replace_at = now + PAUSE;
                    Ok(last.token.clone())
                }
                _ => Err(failure),
            },
        }
    }
}

fn keep(token: &AccessToken, now: SystemTime) -> Kept {
    let ends_at = SystemTime::from(token.expires_on);
    let margin = ends_at.checked_sub(MARGIN).unwrap_or(now);
    Kept {
        token: Secret::new(token.token.secret()),
        replace_at: margin.max(now + PAUSE),
        ends_at,
    }
}

fn of(scope: &'static str, code: String, kind: Kind) -> ServiceError {
    ServiceError {
        service: "Microsoft Entra ID",
        action: scope,
        code,
        kind,
    }
}

/// Why there is no token: by the answer of the service, if there was one.
fn failure(scope: &'static str, error: &azure_core::Error) -> ServiceError {
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
                    return of(scope, error::code(status, subcode), kind);
                }
                ErrorKind::Io | ErrorKind::Connection => is_lost = true,
                _ => {}
            }
        }
        cause = error.source();
    }
    if is_lost {
        of(scope, "not reachable".to_owned(), Kind::Unavailable)
    } else {
        of(scope, "no credential".to_owned(), Kind::Denied)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use azure_core::credentials::TokenRequestOptions;

    use super::*;

    /// Gives tokens that end after some seconds, or none.
    #[derive(Debug)]
    struct Giving {
        lasting: Option<i64>,
        takes: Duration,
        asked: AtomicUsize,
    }

    impl Giving {
        fn new(lasting: Option<i64>) -> Arc<Self> {
            Self::slowly(lasting, Duration::ZERO)
        }

        fn slowly(lasting: Option<i64>, takes: Duration) -> Arc<Self> {
            Arc::new(Self {
                lasting,
                takes,
                asked: AtomicUsize::new(0),
            })
        }

        fn asked(&self) -> usize {
            self.asked.load(Ordering::SeqCst)
        }
    }

    #[async_trait]
    impl TokenCredential for Giving {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            let asked = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::time::sleep(self.takes).await;
            let none = || azure_core::Error::with_message(ErrorKind::Credential, "none");
            let seconds = self.lasting.ok_or_else(none)?;
            let ends = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
            let ends = i64::try_from(ends.as_secs()).unwrap() + seconds;
            let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(ends.unsigned_abs());
            Ok(AccessToken::new(format!("token-{asked}"), ends.into()))
        }
    }

    async fn token(tokens: &Tokens) -> Result<String, Kind> {
        let token = tokens.token().await.map_err(|error| error.kind)?;
        Ok(token.expose().to_owned())
    }

    #[tokio::test]
    async fn a_token_is_kept_until_shortly_before_it_ends() {
        let credential = Giving::new(Some(3600));
        let tokens = Tokens::new(credential.clone(), "scope");
        let (one, other) = tokio::join!(token(&tokens), token(&tokens));
        assert_eq!(
            (one.as_deref(), other.as_deref()),
            (Ok("token-1"), Ok("token-1"))
        );
        assert_eq!(token(&tokens.clone()).await.as_deref(), Ok("token-1"));
        assert_eq!(credential.asked(), 1);
        // Within the margin it is replaced, but not at each call.
        let tokens = Tokens::new(Giving::new(Some(60)), "scope");
        assert_eq!(token(&tokens).await.as_deref(), Ok("token-1"));
        assert_eq!(token(&tokens).await.as_deref(), Ok("token-1"));
        // One that has ended is never used.
        let tokens = Tokens::new(Giving::new(Some(-1)), "scope");
        assert_eq!(token(&tokens).await.as_deref(), Ok("token-1"));
        assert_eq!(token(&tokens).await.as_deref(), Ok("token-2"));
    }

    #[tokio::test]
    async fn a_token_is_used_to_its_end_if_there_is_no_new_one() {
        let now = SystemTime::now();
        let past = now.checked_sub(Duration::from_secs(1)).unwrap();
        for (ends_at, expected) in [
            (now + Duration::from_secs(60), Ok("old")),
            (past, Err(&Kind::Denied)),
        ] {
            let tokens = Tokens::new(Giving::new(None), "scope");
            *tokens.0.kept.lock().unwrap() = Some(Kept {
                token: Secret::new("old"),
                replace_at: past,
                ends_at,
            });
            assert_eq!(token(&tokens).await.as_deref(), expected);
        }
    }

    #[tokio::test]
    async fn a_token_arrives_also_if_nobody_waits_for_it() {
        let credential = Giving::slowly(Some(3600), Duration::from_millis(50));
        let tokens = Tokens::new(credential.clone(), "scope");
        let waited = tokio::time::timeout(Duration::from_millis(1), token(&tokens)).await;
        assert!(waited.is_err());
        assert_eq!(token(&tokens).await.as_deref(), Ok("token-1"));
        assert_eq!(credential.asked(), 1);
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
