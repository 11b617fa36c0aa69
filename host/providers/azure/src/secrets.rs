//! Secrets in Key Vault, by reference.

use reqwest::{Client, Method, Request, header::AUTHORIZATION};
use serde::Deserialize;
use twin_capabilities::secrets::{KeyVaultSecret, Secret, VaultCloud};
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

/// What a token for the vaults of a cloud is for.
const fn scope(cloud: VaultCloud) -> &'static str {
    match cloud {
        VaultCloud::Public => "https://vault.azure.net/.default",
        VaultCloud::China => "https://vault.azure.cn/.default",
        VaultCloud::UsGovernment => "https://vault.usgovcloudapi.net/.default",
    }
}

/// Looks up secrets in Key Vault.
#[derive(Clone, Debug)]
pub struct KeyVault {
    client: Client,
    endpoint: Option<Url>,
    /// For each cloud.
    tokens: [(VaultCloud, Tokens); VaultCloud::ALL.len()],
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
        let tokens =
            VaultCloud::ALL.map(|cloud| (cloud, Tokens::new(credential.clone(), scope(cloud))));
        Ok(Self {
            client,
            endpoint: endpoint.transpose()?,
            tokens,
        })
    }

    /// The value of a secret as it is now. Nothing is remembered.
    ///
    /// # Errors
    /// The failure of Key Vault, or that there is no token for it.
    pub async fn fetch(&self, secret: &KeyVaultSecret) -> Result<Secret, ServiceError> {
        let unknown = || ServiceError {
            service: GET.service,
            action: GET.action,
            code: "unknown vault".to_owned(),
            kind: Kind::Rejected,
        };
        let tokens = self
            .tokens
            .iter()
            .find(|(cloud, _)| *cloud == secret.cloud());
        let (_, tokens) = tokens.ok_or_else(unknown)?;
        let vault = match &self.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => Url::parse(&format!("https://{}", secret.host())).map_err(|_| unknown())?,
        };
        let version = secret.version().unwrap_or_default();
        let mut url = http::below(&vault, ["secrets", secret.name(), version]);
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
