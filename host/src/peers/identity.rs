//! The host's own identity, where it authenticates to a peer without a key. The credentials come from the clouds' libraries.
//! The configuration has been checked (`config::authentication`): what is missing in this build does not get here.

use std::sync::Arc;

use twin_capabilities::{IdentityTokens, PeerAuth};
use twin_contract::{Cloud, PeerVariables};

use crate::{
    config::{Authentication, ConfigError},
    secrets::PrivateUrl,
};

/// Makes the credential for each request to a peer.
pub(crate) type MakesAuth = Box<dyn Fn() -> Arc<dyn PeerAuth> + Send + Sync>;

/// Signatures for requests to a URL. Nothing is sent.
///
/// # Errors
/// If neither a Lambda function nor API Gateway answers at the URL.
#[cfg(feature = "aws")]
pub(crate) fn signer(names: PeerVariables, url: &PrivateUrl) -> Result<MakesAuth, ConfigError> {
    let host = url.expose().host_str().unwrap_or_default();
    let scope = twin_aws::SigningScope::of_host(host).ok_or_else(|| ConfigError::Invalid {
        variable: names.url,
        value: None,
        expected: format!(
            "https://ID.lambda-url.REGION.on.aws or https://ID.execute-api.REGION.amazonaws.com where {} is sigv4, \
             because the signature depends on the service and the region in the host name",
            names.auth
        ),
    })?;
    let signer = twin_aws::SigV4::open(twin_aws::AwsSettings::new(), scope);
    Ok(Box::new(move || signer.for_request()))
}

/// Signatures for requests to a URL: not in this build.
///
/// # Errors
/// Always.
#[cfg(not(feature = "aws"))]
pub(crate) fn signer(names: PeerVariables, _: &PrivateUrl) -> Result<MakesAuth, ConfigError> {
    Err(absent(names, Authentication::SigV4, Cloud::Aws))
}

/// The tokens that `cloud` issues to this host for an audience. Nothing is sent.
///
/// # Errors
/// If the environment names an identity that cannot be used, or this program was built without this cloud.
#[cfg_attr(
    not(any(feature = "aws", feature = "azure", feature = "gcp")),
    expect(unused_variables, reason = "no cloud issues tokens in this build")
)]
pub(super) fn tokens(
    names: PeerVariables,
    cloud: Cloud,
    audience: &str,
) -> Result<Arc<dyn IdentityTokens>, ConfigError> {
    match cloud {
        #[cfg(feature = "aws")]
        Cloud::Aws => {
            let settings = twin_aws::AwsSettings::new();
            Ok(Arc::new(twin_aws::WebIdentity::open(settings, audience)))
        }
        #[cfg(feature = "azure")]
        Cloud::Azure => match twin_azure::EntraTokens::open(audience, None) {
            Ok(tokens) => Ok(Arc::new(tokens)),
            Err(error) => Err(ConfigError::IdentityUnusable {
                variable: names.auth,
                reason: error.to_string(),
            }),
        },
        #[cfg(feature = "gcp")]
        Cloud::Gcp => Ok(Arc::new(twin_gcp::IdTokens::open(audience))),
        #[allow(
            unreachable_patterns,
            reason = "not reached if all clouds are compiled in"
        )]
        _ => Err(absent(names, Authentication::Oidc, cloud)),
    }
}

/// Whether this program was built with what a cloud's identity needs: the cargo feature of the cloud's name.
pub(crate) const fn is_compiled_in(cloud: Cloud) -> bool {
    match cloud {
        Cloud::Aws => cfg!(feature = "aws"),
        Cloud::Azure => cfg!(feature = "azure"),
        Cloud::Gcp => cfg!(feature = "gcp"),
    }
}

/// The error if it is not.
pub(crate) const fn absent(
    names: PeerVariables,
    auth: Authentication,
    cloud: Cloud,
) -> ConfigError {
    ConfigError::AuthNotCompiledIn {
        variable: names.auth,
        auth,
        feature: cloud.as_str(),
    }
}
