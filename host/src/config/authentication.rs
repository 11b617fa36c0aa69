//! How the host authenticates to its peers: `REMOTE_<PEER>_AUTH` and `REMOTE_<PEER>_AUDIENCE`.

use std::fmt;

use twin_contract::PeerVariables;

use super::{Config, ConfigError, RemoteSettings};
use crate::{peers::identity, secrets::PrivateUrl};

/// How the host authenticates to a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Authentication {
    /// With a key, in the header that the receiving cloud reads (spec §2).
    #[default]
    Key,
    /// With a signature by the host's AWS credentials, which a Lambda function URL or an API Gateway with IAM checks.
    SigV4,
    /// With a token from the identity service of the host's own cloud, as `Authorization: Bearer`.
    Oidc,
}

impl Authentication {
    pub(super) const ALL: [Self; 3] = [Self::Key, Self::SigV4, Self::Oidc];

    /// The value of the variable.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::SigV4 => "sigv4",
            Self::Oidc => "oidc",
        }
    }
}

impl fmt::Display for Authentication {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Checks that the variables of each peer agree, and that this program can do what they say.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    for (peer, remote) in &config.peers.remotes {
        let names = peer.variables();
        only_of_this_auth(names, remote)?;
        match remote.auth {
            Authentication::Key => {}
            Authentication::SigV4 => {
                identity::signer(names, needed_url(names, remote)?).map(drop)?;
            }
            Authentication::Oidc => {
                if !identity::is_compiled_in(config.cloud) {
                    return Err(identity::absent(names, remote.auth, config.cloud));
                }
                needed_url(names, remote)?;
                if remote.audience.is_none() {
                    return Err(needed(names.audience, names, remote));
                }
            }
        }
    }
    Ok(())
}

/// A key or an audience that would not be used is a mistake, which may have been meant to protect something.
fn only_of_this_auth(names: PeerVariables, remote: &RemoteSettings) -> Result<(), ConfigError> {
    let other = |variable, needed| ConfigError::OtherAuth {
        variable,
        auth_variable: names.auth,
        auth: remote.auth,
        needed,
    };
    if remote.token.is_some() && remote.auth != Authentication::Key {
        return Err(other(names.token, Authentication::Key));
    }
    if remote.audience.is_some() && remote.auth != Authentication::Oidc {
        return Err(other(names.audience, Authentication::Oidc));
    }
    Ok(())
}

fn needed_url(names: PeerVariables, remote: &RemoteSettings) -> Result<&PrivateUrl, ConfigError> {
    let url = remote.url.as_ref();
    url.ok_or_else(|| needed(names.url, names, remote))
}

fn needed(variables: &'static str, names: PeerVariables, remote: &RemoteSettings) -> ConfigError {
    ConfigError::Needed {
        variables,
        reason: format!("{} is {}", names.auth, remote.auth),
    }
}
