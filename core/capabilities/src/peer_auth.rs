//! How a host authenticates itself to a peer (spec §2).

use std::time::SystemTime;

use async_trait::async_trait;

use crate::{secrets::Secret, types::Failure};

/// A request as it leaves the host: everything that a credential may depend on or sign.
#[derive(Clone, Copy, Debug)]
pub struct Departing<'a> {
    /// Upper case.
    pub method: &'a str,
    /// The whole URL. Its path and query may contain a key.
    pub url: &'a str,
    /// The body as it is sent, after compression.
    pub body: &'a [u8],
}

/// The credential for one request to a peer, which may be sent several times: a key, a signature, or a token that expires.
#[async_trait]
pub trait PeerAuth: Send + Sync + 'static {
    /// The headers that carry the credential, names in lower case. They replace headers of the same names; empty if the URL
    /// carries the credential.
    ///
    /// # Errors
    /// If there is no valid credential now. The request is then not sent.
    async fn headers(&self, request: Departing<'_>)
    -> Result<Vec<(&'static str, Secret)>, Failure>;

    /// The peer refused the credential that [`Self::headers`] gave last (401 or 403): one that is remembered must be renewed.
    /// True if the next headers carry another credential, with which the request is then sent once more.
    async fn refused(&self) -> bool;

    /// Whether a credential that was refused may be renewed: if not, the request need not be kept to be sent again.
    fn is_renewable(&self) -> bool {
        true
    }
}

/// A token that proves to a peer who the host is (OpenID Connect).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityToken {
    /// A JSON Web Token.
    pub token: Secret,
    /// When it expires.
    pub expires_at: SystemTime,
}

/// The tokens that the host's cloud issues for one audience.
#[async_trait]
pub trait IdentityTokens: Send + Sync + 'static {
    /// Gets a token from the cloud's service, in a limited time. The caller remembers it.
    ///
    /// # Errors
    /// The service's failure, with its code: [`Failure::Misconfigured`] if the host has no identity or may not get a token.
    async fn fetch(&self) -> Result<IdentityToken, Failure>;
}
