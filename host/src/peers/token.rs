//! The credential for a peer that takes the host's identity: a token of the host's own cloud, as `Authorization: Bearer`
//! whatever cloud the peer is on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use twin_capabilities::{
    Failure, IdentityTokens, PeerAuth, Secret,
    peer_auth::{Departing, IdentityToken},
};
use twin_tasks::{Lasting, Renewing, Source};

use crate::credentials::HeaderForm;

/// How an identity token is sent.
const FORM: HeaderForm = HeaderForm::Bearer;

/// The tokens for one peer, shared by all requests to it.
pub(super) type Tokens = Renewing<Issuer>;

/// Issues the tokens.
pub(super) struct Issuer(pub(super) Arc<dyn IdentityTokens>);

impl Source for Issuer {
    /// What the header contains.
    type Value = Secret;
    type Error = Failure;

    async fn fetch(&self) -> Result<Lasting<Secret>, Failure> {
        let IdentityToken { token, expires_at } = self.0.fetch().await?;
        Ok(Lasting {
            value: Secret::new(FORM.value(token.expose())),
            ends_at: Some(expires_at),
        })
    }
}

/// A token in a header, for one request.
pub(super) struct TokenAuth {
    tokens: Tokens,
    /// What the header contained when it was last sent.
    presented: Mutex<Option<Secret>>,
}

impl TokenAuth {
    pub(super) fn new(tokens: Tokens) -> Self {
        Self {
            tokens,
            presented: Mutex::default(),
        }
    }

    fn presented(&self) -> MutexGuard<'_, Option<Secret>> {
        self.presented
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl PeerAuth for TokenAuth {
    async fn headers(&self, _: Departing<'_>) -> Result<Vec<(&'static str, Secret)>, Failure> {
        let value = self.tokens.current().await?;
        *self.presented() = Some(value.clone());
        Ok(vec![(FORM.header(), value)])
    }

    async fn refused(&self) -> bool {
        let presented = self.presented().clone();
        match presented {
            Some(presented) => self.tokens.refused(&presented).await,
            None => false,
        }
    }
}
