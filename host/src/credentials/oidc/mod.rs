//! Callers without keys: bearer tokens of OpenID Connect issuers, verified by the issuers' public keys (spec §2, "OIDC Tokens").
//!
//! `caller` says who is listed, `token` checks what a token claims, `keys` its signature; `issuer` remembers an issuer's keys,
//! and `discovery` fetches them. Nothing is fetched before the first token arrives, and never for an issuer that is not listed.

mod caller;
mod discovery;
mod issuer;
mod keys;
#[cfg(test)]
pub(crate) mod tests;
mod token;

use std::{sync::Arc, time::SystemTime};

use twin_capabilities::credentials::{Caller, Denied, Role};

pub use self::caller::OidcCaller;
pub(crate) use self::token::is_token;
use self::{
    discovery::{Discovery, FetchError},
    issuer::Issuer,
    token::{Token, TokenError},
};
use crate::{
    config::{ConfigError, OidcSettings, PeerSettings},
    peers::words,
};

/// The check of bearer tokens.
#[derive(Debug)]
pub struct Oidc {
    audience: String,
    callers: Vec<Listed>,
    clock: fn() -> SystemTime,
}

/// A caller of the list; those of one issuer share its keys.
#[derive(Debug)]
struct Listed {
    caller: OidcCaller,
    issuer: Arc<Issuer>,
}

/// Why a caller is not let in.
#[derive(Debug, thiserror::Error)]
enum OidcError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the keys of {issuer} cannot be fetched")]
    Keys {
        issuer: String,
        source: Arc<FetchError>,
    },
}

impl Oidc {
    /// The check by these settings; `None` if no audience is set. Nothing is fetched before the first token arrives.
    ///
    /// # Errors
    /// The variable with which TLS or the proxy cannot be set up.
    pub fn new(settings: &OidcSettings, peers: &PeerSettings) -> Result<Option<Self>, ConfigError> {
        let Some(audience) = &settings.audience else {
            return Ok(None);
        };
        let discovery = Arc::new(Discovery::new(&settings.callers, peers)?);
        let mut callers: Vec<Listed> = Vec::new();
        for caller in &settings.callers {
            let mut before = callers.iter().map(|listed| &listed.issuer);
            let issuer = match before.find(|issuer| issuer.name() == caller.issuer()) {
                Some(issuer) => Arc::clone(issuer),
                None => Arc::new(Issuer::new(
                    caller.issuer().to_owned(),
                    caller.discovery().clone(),
                    Arc::clone(&discovery),
                )),
            };
            let caller = caller.clone();
            callers.push(Listed { caller, issuer });
        }
        Ok(Some(Self {
            audience: audience.clone(),
            callers,
            clock: SystemTime::now,
        }))
    }

    /// For tests with another time.
    #[cfg(test)]
    fn with_clock(mut self, clock: fn() -> SystemTime) -> Self {
        self.clock = clock;
        self
    }

    /// Verifies a token. The caller is named after its place in the list, `oidc-1`, …, and is never an operator.
    ///
    /// # Errors
    /// [`Denied::Wrong`] if the token is not a listed caller's valid one; [`Denied::Unavailable`] if that is not known, because
    /// the issuer's keys cannot be fetched.
    pub async fn verify(&self, token: &str) -> Result<Caller, Denied> {
        match self.place(token).await {
            Ok(place) => Ok(Caller {
                name: format!("oidc-{place}"),
                role: Role::Hop,
            }),
            Err(OidcError::Token(error)) => {
                tracing::debug!(reason = words(&error), "a token was refused");
                Err(Denied::Wrong)
            }
            Err(error @ OidcError::Keys { .. }) => Err(Denied::Unavailable(words(&error))),
        }
    }

    /// The place of the token's subject in the list, from 1. What the token claims is checked first: no key is fetched for a
    /// token that would be refused anyway.
    async fn place(&self, text: &str) -> Result<usize, OidcError> {
        let token = Token::parse(text)?;
        let of_issuer = |listed: &&Listed| listed.caller.issuer() == token.issuer();
        let issuer = self.callers.iter().find(of_issuer);
        let issuer = &issuer.ok_or(TokenError::Issuer)?.issuer;
        token.check(&self.audience, (self.clock)())?;
        let place = self.callers.iter().position(|listed| {
            of_issuer(&listed)
                && token.subject(listed.caller.claim()) == Some(listed.caller.subject())
        });
        let place = place.ok_or(TokenError::Subject)?;
        let key = issuer.key(token.key()).await;
        let key = key.map_err(|source| OidcError::Keys {
            issuer: issuer.name().to_owned(),
            source,
        })?;
        key.ok_or(TokenError::Key)?
            .verify(token.signed, &token.signature)
            .map_err(|_| TokenError::Signature)?;
        Ok(place + 1)
    }
}
