//! Tokens that say who the host is, for receivers outside AWS: `sts:GetWebIdentityToken`.
//!
//! The account must permit it once (`iam:EnableOutboundWebIdentityFederation`). Receivers check a token by the keys that AWS
//! publishes at the issuer's URL of the account.

use std::{fmt, sync::Arc, time::SystemTime};

use async_trait::async_trait;
use twin_capabilities::{Failure, IdentityTokens, Secret, peer_auth::IdentityToken};
use twin_documents::{Kind, ServiceClock, ServiceError};

use crate::{AwsSettings, connection::Connection, error::Action};

/// Every library that checks tokens knows this algorithm.
const ALGORITHM: &str = "RS256";

/// How long a token is asked to be valid, in seconds. A token must not outlive the session of the credentials that it is asked
/// for with, so near the end of a session the shorter ones are asked for.
const LIFETIMES: [i32; 3] = [3600, 900, 60];

/// The code of the answer if a token would outlive the session.
const OUTLIVES_SESSION: &str = "SessionDurationEscalationException";

/// The tokens of the host's identity for one audience.
#[derive(Clone)]
pub struct WebIdentity {
    connection: Arc<Connection>,
    audience: String,
}

impl fmt::Debug for WebIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WebIdentity")
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

impl WebIdentity {
    /// Tokens for an audience. Nothing is asked before the first token is fetched.
    #[must_use]
    pub fn open(settings: AwsSettings, audience: &str) -> Self {
        Self {
            connection: Arc::new(Connection::new(settings, ServiceClock::default())),
            audience: audience.to_owned(),
        }
    }

    async fn token(&self, lifetime: i32) -> Result<IdentityToken, ServiceError> {
        let answer = self.connection.call(Action::GET_TOKEN, |aws| {
            aws.sts
                .get_web_identity_token()
                .audience(&self.audience)
                .signing_algorithm(ALGORITHM)
                .duration_seconds(lifetime)
                .send()
        });
        let answer = answer.await?;
        let ends = answer
            .expiration
            .and_then(|ends| SystemTime::try_from(ends).ok());
        let token = answer.web_identity_token.map(Secret::new);
        match (token, ends) {
            (Some(token), Some(expires_at)) => Ok(IdentityToken { token, expires_at }),
            _ => Err(Action::GET_TOKEN.failed("no usable response", Kind::Unavailable)),
        }
    }
}

#[async_trait]
impl IdentityTokens for WebIdentity {
    async fn fetch(&self) -> Result<IdentityToken, Failure> {
        let [longest, shorter @ ..] = LIFETIMES;
        let mut answer = self.token(longest).await;
        for lifetime in shorter {
            match answer {
                Err(error) if error.code == OUTLIVES_SESSION => {
                    answer = self.token(lifetime).await;
                }
                answer => return answer.map_err(Failure::from),
            }
        }
        answer.map_err(Failure::from)
    }
}
