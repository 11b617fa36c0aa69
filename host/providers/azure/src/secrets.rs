//! Secrets in Key Vault, by reference.

use std::fmt;

use reqwest::{Client, Method, Request, header::AUTHORIZATION};
use serde::Deserialize;
use twin_capabilities::secrets::Secret;
use twin_documents::{Kind, ServiceError};
use url::Url;

use crate::{
    connection,
    error::AzureError,
    http::{self, CALL_LIMIT, Called},
    identity::Tokens,
    settings::KeyVaultSettings,
};

const GET: Called = Called {
    service: "Key Vault",
    action: "Microsoft.KeyVault/vaults/secrets/getSecret/action",
};

/// The version of the interface.
const VERSION: &str = "api-version=2026-04-01";

/// The clouds: what the name of a vault ends with, and what a token for it is for.
const CLOUDS: [(&str, &str); 3] = [
    (".vault.azure.net", "https://vault.azure.net/.default"),
    (".vault.azure.cn", "https://vault.azure.cn/.default"),
    (
        ".vault.usgovcloudapi.net",
        "https://vault.usgovcloudapi.net/.default",
    ),
];

/// Where a secret is: `https://{vault}.vault.azure.net/secrets/{name}`, or with `/{version}` behind it. Without a version it is
/// the newest.
///
/// ```
/// use twin_azure::SecretReference;
///
/// let newest = SecretReference::parse("https://factory.vault.azure.net/secrets/inter-cloud-token");
/// assert!(newest.is_some());
/// // A token of the host's would go to whoever owns this name.
/// assert!(SecretReference::parse("https://factory.vault.azure.net.example.com/secrets/a").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretReference {
    vault: String,
    cloud: &'static str,
    name: String,
    version: Option<String>,
}

impl SecretReference {
    /// Reads a reference. `None` if the text is none of this form, or the vault's name is not one of Azure's.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let is_plain = url.scheme() == "https"
            && url.port().is_none()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let vault = url.host_str().filter(|_| is_plain)?;
        let (cloud, _) = CLOUDS.into_iter().find(|(suffix, _)| {
            let name = vault.strip_suffix(suffix);
            name.is_some_and(|name| is_word(name, 24))
        })?;
        let mut path = url.path_segments()?;
        let is_secret = path.next() == Some("secrets");
        let name = path.next().filter(|name| is_secret && is_word(name, 127))?;
        // A slash at the end is no version.
        let version = path.next().filter(|version| !version.is_empty());
        let is_readable = version.is_none_or(|version| is_word(version, 127));
        (is_readable && path.next().is_none()).then(|| Self {
            vault: vault.to_owned(),
            cloud,
            name: name.to_owned(),
            version: version.map(str::to_owned),
        })
    }
}

impl fmt::Display for SecretReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "https://{}/secrets/{}", self.vault, self.name)?;
        match &self.version {
            Some(version) => write!(formatter, "/{version}"),
            None => Ok(()),
        }
    }
}

/// What the names of vaults and secrets consist of.
fn is_word(text: &str, longest: usize) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=longest).contains(&text.len()) && text.bytes().all(is_letter)
}

/// Looks up secrets in Key Vault.
#[derive(Clone, Debug)]
pub struct KeyVault {
    client: Client,
    endpoint: Option<Url>,
    /// For each cloud.
    tokens: Vec<(&'static str, Tokens)>,
}

#[derive(Deserialize)]
struct Answer {
    value: String,
}

impl KeyVault {
    /// Prepares to look secrets up. Nothing is sent yet.
    ///
    /// # Errors
    /// If a setting cannot be used.
    pub fn open(settings: KeyVaultSettings) -> Result<Self, AzureError> {
        let client = settings.client.map_or_else(http::client, Ok)?;
        let credential = connection::credential(settings.credential, &client)?;
        let endpoint = settings.endpoint.as_deref();
        let endpoint = endpoint.map(|endpoint| http::endpoint("endpoint", endpoint));
        let tokens = CLOUDS.map(|(cloud, scope)| (cloud, Tokens::new(credential.clone(), scope)));
        Ok(Self {
            client,
            endpoint: endpoint.transpose()?,
            tokens: tokens.to_vec(),
        })
    }

    /// The value of a secret as it is now. Nothing is remembered.
    ///
    /// # Errors
    /// The failure of Key Vault, or that there is no token for it.
    pub async fn fetch(&self, reference: &SecretReference) -> Result<Secret, ServiceError> {
        let unknown = || ServiceError {
            service: GET.service,
            action: GET.action,
            code: "unknown vault".to_owned(),
            kind: Kind::Rejected,
        };
        let tokens = self
            .tokens
            .iter()
            .find(|(cloud, _)| *cloud == reference.cloud);
        let (_, tokens) = tokens.ok_or_else(unknown)?;
        let vault = match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => Url::parse(&format!("https://{}", reference.vault)).map_err(|_| unknown())?,
        };
        let version = reference.version.as_deref().unwrap_or_default();
        let mut url = http::below(&vault, ["secrets", &reference.name, version]);
        url.set_query(Some(VERSION));
        let mut request = Request::new(Method::GET, url);
        request
            .headers_mut()
            .insert(AUTHORIZATION, tokens.bearer(GET).await?);
        let answer = http::send(&self.client, request, CALL_LIMIT, GET).await?;
        let Answer { value } = answer.success(GET)?.json(GET)?;
        Ok(Secret::new(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_a_vault_of_azures() {
        for (text, name, version) in [
            ("https://v.vault.azure.net/secrets/a-1", "a-1", None),
            ("https://V.vault.azure.net/secrets/a/", "a", None),
            (
                "https://v.vault.azure.net:443/secrets/a/0f",
                "a",
                Some("0f"),
            ),
            ("https://v.vault.azure.cn/secrets/a", "a", None),
            ("https://v.vault.usgovcloudapi.net/secrets/a", "a", None),
        ] {
            let reference = SecretReference::parse(text).unwrap();
            let found = (reference.name.as_str(), reference.version.as_deref());
            assert_eq!(found, (name, version), "{text}");
            assert_eq!(
                SecretReference::parse(&reference.to_string()),
                Some(reference)
            );
        }
        for other in [
            "a secret",
            "http://v.vault.azure.net/secrets/a",
            "https://v.vault.azure.net.example.com/secrets/a",
            "https://example.com/.vault.azure.net/secrets/a",
            "https://example.com#.vault.azure.net/secrets/a",
            "https://a@v.vault.azure.net/secrets/a",
            "https://v.vault.azure.net:444/secrets/a",
            "https://vault.azure.net/secrets/a",
            "https://.vault.azure.net/secrets/a",
            "https://a.b.vault.azure.net/secrets/a",
            "https://v.vault.azure.net/keys/a",
            "https://v.vault.azure.net/secrets/",
            "https://v.vault.azure.net/secrets/a/b/c",
            "https://v.vault.azure.net/secrets/a%2Fb",
            "https://v.vault.azure.net/secrets/a?x=1",
        ] {
            assert_eq!(SecretReference::parse(other), None, "{other}");
        }
    }
}
