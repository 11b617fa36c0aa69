//! Credentials of callers (spec §2). A host calls the verifier once for each request, before it calls the function, and
//! passes on the [`Verdict`](crate::function::Verdict). A function calls it only if the request has not been checked
//! before.

use async_trait::async_trait;
pub use twin_contract::Role;

/// What a caller presents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// Upper case.
    pub method: String,
    /// With the `?` if there is a query.
    pub path_with_query: String,
    /// Those headers that can carry a key or a token, names in lower case.
    pub headers: Vec<(String, String)>,
}

/// A caller that was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// For logs and reports: which key was used, without the key itself.
    pub name: String,
    /// What the caller may do.
    pub role: Role,
}

/// Why a caller was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No credential was presented in the form of this cloud: 401.
    #[error("no credential in this cloud's form")]
    Missing,
    /// A credential was presented, but it is not valid, or no longer valid: 403.
    #[error("the credential is not valid")]
    Wrong,
    /// The credentials cannot be looked up now: 503.
    #[error("credentials cannot be looked up: {0}")]
    Unavailable(String),
    /// Anything else, described for a log: 503.
    #[error("{0}")]
    Other(String),
}

/// Verifies callers. Only the form of this cloud is accepted: `x-api-key` on AWS, `x-functions-key` on Azure,
/// `authorization: Bearer` on GCP.
#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
pub trait Verifier: Send + Sync + 'static {
    /// Compares in constant time with every key that is valid now; during a rotation there are several.
    ///
    /// # Errors
    /// Why the caller is refused.
    async fn verify(&self, presented: Presented) -> Result<Caller, Denied>;
}
