//! Requests signed with the host's credentials (Signature Version 4): how a Lambda function URL or an API Gateway with IAM
//! knows who is calling.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use async_trait::async_trait;
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials as _, SharedCredentialsProvider},
};
use aws_sigv4::{
    http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4::SigningParams,
};
use aws_smithy_runtime_api::client::identity::Identity;
use tokio::{sync::OnceCell, time::timeout};
use twin_capabilities::{Failure, PeerAuth, Secret, peer_auth::Departing};
use twin_documents::{Kind, ServiceClock, ServiceError};
use twin_tasks::{Lasting, Renewing, Source};

use crate::{
    AwsSettings,
    connection::{CALL_LIMIT, Connection},
    error::{Action, of_credentials},
};

/// The service and the region that a signature is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningScope {
    service: &'static str,
    region: String,
    action: Action,
}

impl SigningScope {
    /// The scope that a host name (in lower case, without a port) shows: `{id}.lambda-url.{region}.on.aws`, a Lambda function
    /// URL, or `{id}.execute-api.{region}.amazonaws.com`, an API of API Gateway. `None` for other names.
    ///
    /// ```
    /// use twin_aws::SigningScope;
    ///
    /// assert!(SigningScope::of_host("abc.lambda-url.eu-central-1.on.aws").is_some());
    /// // A domain of one's own does not show the region.
    /// assert!(SigningScope::of_host("writer.example.com").is_none());
    /// ```
    #[must_use]
    pub fn of_host(host: &str) -> Option<Self> {
        let parts: Vec<_> = host.split('.').collect();
        let (id, service, region, action) = match parts[..] {
            [id, "lambda-url", region, "on", "aws"] => {
                (id, "lambda", region, Action::INVOKE_FUNCTION_URL)
            }
            [id, "execute-api", region, "amazonaws", "com"] => {
                (id, "execute-api", region, Action::INVOKE_API)
            }
            _ => return None,
        };
        let is_word = |text: &str| {
            let is_letter =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !text.is_empty() && text.bytes().all(is_letter)
        };
        (is_word(id) && is_word(region)).then(|| Self {
            service,
            region: region.to_owned(),
            action,
        })
    }
}

/// Signs requests with the host's credentials. Clones share them.
#[derive(Clone)]
pub struct SigV4 {
    scope: Arc<SigningScope>,
    credentials: Renewing<Chain>,
}

impl fmt::Debug for SigV4 {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigV4")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl SigV4 {
    /// Signatures for this scope. Nothing is looked up before the first request.
    #[must_use]
    pub fn open(mut settings: AwsSettings, scope: SigningScope) -> Self {
        // The region is known, so it need not be looked for.
        settings.region.get_or_insert_with(|| scope.region.clone());
        Self {
            credentials: Renewing::new(Chain {
                connection: Connection::new(settings, ServiceClock::default()),
                action: scope.action,
                provider: OnceCell::new(),
            }),
            scope: Arc::new(scope),
        }
    }

    /// The signatures of one request.
    #[must_use]
    pub fn for_request(&self) -> Arc<dyn PeerAuth> {
        Arc::new(Signing {
            sigv4: self.clone(),
            presented: Mutex::default(),
        })
    }
}

/// The signatures of one request.
struct Signing {
    sigv4: SigV4,
    /// With what it was last signed.
    presented: Mutex<Option<Credentials>>,
}

#[async_trait]
impl PeerAuth for Signing {
    async fn headers(
        &self,
        request: Departing<'_>,
    ) -> Result<Vec<(&'static str, Secret)>, Failure> {
        let SigV4 { scope, credentials } = &self.sigv4;
        let current = credentials.current().await?;
        let signed = signature(scope, &current, request, SystemTime::now());
        let mut presented = self
            .presented
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *presented = Some(current);
        Ok(signed?)
    }

    async fn refused(&self) -> bool {
        let presented = {
            let presented = self.presented.lock();
            presented.unwrap_or_else(PoisonError::into_inner).clone()
        };
        match presented {
            Some(presented) => self.sigv4.credentials.refused(&presented).await,
            None => false,
        }
    }
}

/// The headers that sign a request at a time. They cover method, host, path, query, and the hash of the body.
fn signature(
    scope: &SigningScope,
    credentials: &Credentials,
    request: Departing<'_>,
    now: SystemTime,
) -> Result<Vec<(&'static str, Secret)>, ServiceError> {
    let unsignable = || {
        scope
            .action
            .failed("the request cannot be signed", Kind::Rejected)
    };
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let identity = Identity::from(credentials.clone());
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&scope.region)
        .name(scope.service)
        .time(now)
        .settings(settings)
        .build()
        .map_err(|_| unsignable())?
        .into();
    let body = SignableBody::Bytes(request.body);
    let signable = SignableRequest::new(request.method, request.url, std::iter::empty(), body);
    let signed = sign(signable.map_err(|_| unsignable())?, &params).map_err(|_| unsignable())?;
    let (headers, _) = signed.into_parts().0.into_parts();
    let headers = headers.iter();
    Ok(headers
        .map(|header| (header.name(), Secret::new(header.value())))
        .collect())
}

/// Where AWS's own library finds the credentials of the host.
struct Chain {
    connection: Connection,
    action: Action,
    provider: OnceCell<SharedCredentialsProvider>,
}

impl Source for Chain {
    type Value = Credentials;
    type Error = ServiceError;

    async fn fetch(&self) -> Result<Lasting<Credentials>, ServiceError> {
        let found = timeout(CALL_LIMIT, self.credentials()).await;
        let value =
            found.unwrap_or_else(|_| Err(self.action.failed("timed out", Kind::Unavailable)))?;
        let ends_at = value.expiry();
        Ok(Lasting { value, ends_at })
    }
}

impl Chain {
    async fn credentials(&self) -> Result<Credentials, ServiceError> {
        let provider = self.provider.get_or_try_init(|| async {
            let config = self.connection.config().await;
            let none = || self.action.failed("no credentials", Kind::Denied);
            config.credentials_provider().ok_or_else(none)
        });
        let found = provider.await?.provide_credentials().await;
        found.map_err(|error| of_credentials(self.action, &error))
    }
}

#[cfg(test)]
mod tests;
