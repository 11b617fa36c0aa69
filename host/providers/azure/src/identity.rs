//! Who the host is: tokens of Microsoft Entra ID by Microsoft's own library, whose requests go through our HTTP client.

mod tokens;

use std::{env, sync::Arc, time::Duration};

use async_trait::async_trait;
use azure_core::{
    credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions},
    error::ErrorKind,
    http::{
        AsyncRawResponse, Body, ClientOptions, HttpClient, Request, RetryOptions, Transport,
        headers::Headers,
    },
};
use azure_identity::{
    ClientAssertionCredentialOptions, ClientSecretCredential, ClientSecretCredentialOptions,
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions,
    UserAssignedId, WorkloadIdentityCredential, WorkloadIdentityCredentialOptions,
};
use reqwest::Client;
use tokio::sync::OnceCell;

pub use tokens::EntraTokens;
pub(crate) use tokens::Tokens;

use crate::{error::AzureError, http::CALL_LIMIT};

/// What tokens are for.
pub(crate) mod scope {
    pub(crate) const COSMOS: &str = "https://cosmos.azure.com/.default";
    pub(crate) const EVENT_GRID: &str = "https://eventgrid.azure.net/.default";
    pub(crate) const STORAGE: &str = "https://storage.azure.com/.default";
}

/// How long it may take to find out that this is no virtual machine of Azure's.
const MACHINE_LIMIT: Duration = Duration::from_secs(1);

/// Who the host is by its environment, with requests for tokens through `client`:
///
/// 1. the application of `AZURE_TENANT_ID`, `AZURE_CLIENT_ID` and `AZURE_CLIENT_SECRET`;
/// 2. the workload identity of a pod: `AZURE_FEDERATED_TOKEN_FILE` with `AZURE_TENANT_ID` and `AZURE_CLIENT_ID`;
/// 3. the managed identity of a function app, web app or container app: `IDENTITY_ENDPOINT`;
/// 4. else the managed identity of the virtual machine, or who is logged in to the Azure CLI or the Azure Developer CLI:
///    whichever gives a token first is asked from then on.
///
/// With 3 and 4, `AZURE_CLIENT_ID` says which of several managed identities it is.
///
/// # Errors
/// If what the environment names cannot be used.
pub fn default_credential(client: &Client) -> Result<Arc<dyn TokenCredential>, AzureError> {
    let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
    chosen(client, &variable).map_err(AzureError::IdentityInvalid)
}

fn chosen(
    client: &Client,
    variable: &impl Fn(&'static str) -> Option<String>,
) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let tenant = variable("AZURE_TENANT_ID");
    let application = variable("AZURE_CLIENT_ID");
    if let (Some(tenant), Some(application), Some(secret)) =
        (&tenant, &application, variable("AZURE_CLIENT_SECRET"))
    {
        let options = ClientSecretCredentialOptions {
            client_options: options(client),
        };
        let secret = Secret::from(secret);
        let application = application.clone();
        return Ok(ClientSecretCredential::new(
            tenant,
            application,
            secret,
            Some(options),
        )?);
    }
    if let Some(file) = variable("AZURE_FEDERATED_TOKEN_FILE") {
        let options = WorkloadIdentityCredentialOptions {
            credential_options: ClientAssertionCredentialOptions {
                client_options: options(client),
            },
            client_id: application,
            tenant_id: tenant,
            token_file_path: Some(file.into()),
        };
        return Ok(WorkloadIdentityCredential::new(Some(options))?);
    }
    let managed = ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
        user_assigned_id: application.map(UserAssignedId::ClientId),
        client_options: options(client),
    }))?;
    if variable("IDENTITY_ENDPOINT").is_some() {
        return Ok(managed);
    }
    Ok(Arc::new(MachineOrPerson {
        machine: managed,
        person: DeveloperToolsCredential::new(None)?,
        is_person: OnceCell::new(),
    }))
}

/// The identity of the virtual machine, or that of the person who works on this one.
#[derive(Debug)]
struct MachineOrPerson {
    machine: Arc<dyn TokenCredential>,
    person: Arc<dyn TokenCredential>,
    /// Set as soon as one of them gave a token.
    is_person: OnceCell<bool>,
}

#[async_trait]
impl TokenCredential for MachineOrPerson {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        match self.is_person.get() {
            Some(false) => return self.machine.get_token(scopes, options).await,
            Some(true) => return self.person.get_token(scopes, options).await,
            None => {}
        }
        let machine = self.machine.get_token(scopes, options.clone());
        let refusal = match tokio::time::timeout(MACHINE_LIMIT, machine).await {
            Ok(Ok(token)) => {
                let _ = self.is_person.set(false);
                return Ok(token);
            }
            Ok(Err(refusal)) => Some(refusal),
            Err(_) => None,
        };
        match self.person.get_token(scopes, options).await {
            Ok(token) => {
                let _ = self.is_person.set(true);
                Ok(token)
            }
            // What a virtual machine's service answered says more than that there is no command for a person.
            Err(error) => Err(refusal.unwrap_or(error)),
        }
    }
}

/// How Microsoft's library sends its requests: by our client, once.
fn options(client: &Client) -> ClientOptions {
    ClientOptions {
        retry: RetryOptions::none(),
        transport: Some(Transport::new(Arc::new(OurClient(client.clone())))),
        ..ClientOptions::default()
    }
}

/// Our HTTP client, for Microsoft's library.
#[derive(Debug)]
struct OurClient(Client);

#[async_trait]
impl HttpClient for OurClient {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let Body::Bytes(body) = request.body().clone() else {
            let message = "a request for a token with a stream for a body";
            return Err(azure_core::Error::with_message(ErrorKind::Other, message));
        };
        let lost = |error| azure_core::Error::new(ErrorKind::Io, error);
        let method = reqwest::Method::from_bytes(request.method().as_ref().as_bytes())
            .map_err(|error| azure_core::Error::new(ErrorKind::Other, error))?;
        let mut ours = self
            .0
            .request(method, request.url().clone())
            .timeout(CALL_LIMIT)
            .body(body);
        for (name, value) in request.headers().iter() {
            ours = ours.header(name.as_str(), value.as_str());
        }
        let response = ours.send().await.map_err(lost)?;
        let status = response.status().as_u16().into();
        let mut headers = Headers::new();
        for (name, value) in response.headers() {
            if let Ok(value) = value.to_str() {
                headers.insert(name.as_str().to_owned(), value.to_owned());
            }
        }
        let body = response.bytes().await.map_err(lost)?;
        Ok(AsyncRawResponse::from_bytes(status, headers, body))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::SystemTime,
    };

    use super::*;

    #[derive(Debug)]
    struct Giving {
        token: Option<&'static str>,
        asked: AtomicUsize,
    }

    #[async_trait]
    impl TokenCredential for Giving {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            self.asked.fetch_add(1, Ordering::SeqCst);
            let none = || azure_core::Error::with_message(ErrorKind::Io, "nobody there");
            let ends = SystemTime::now() + Duration::from_secs(60);
            Ok(AccessToken::new(self.token.ok_or_else(none)?, ends.into()))
        }
    }

    fn giving(token: Option<&'static str>) -> Arc<Giving> {
        Arc::new(Giving {
            token,
            asked: AtomicUsize::new(0),
        })
    }

    #[tokio::test]
    async fn whoever_gives_a_token_first_is_asked_from_then_on() {
        for (machine, person, expected, asked) in [
            (Some("machine"), Some("person"), Some("machine"), (2, 0)),
            (None, Some("person"), Some("person"), (1, 2)),
            (None, None, None, (2, 2)),
        ] {
            let (machine, person) = (giving(machine), giving(person));
            let both = MachineOrPerson {
                machine: machine.clone(),
                person: person.clone(),
                is_person: OnceCell::new(),
            };
            for _ in 0..2 {
                let token = both.get_token(&["scope"], None).await.ok();
                let token = token.map(|token| token.token.secret().to_owned());
                assert_eq!(token.as_deref(), expected);
            }
            let [machine, person] = [machine, person].map(|it| it.asked.load(Ordering::SeqCst));
            assert_eq!((machine, person), asked);
        }
    }

    #[test]
    fn the_environment_says_who_the_host_is() {
        let client = crate::http::client().unwrap();
        let of = |variables: &[(&str, &str)]| {
            let variable = |name: &'static str| {
                let found = variables.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let chosen = chosen(&client, &variable);
            format!("{:?}", chosen.unwrap())
        };
        let application = [("AZURE_TENANT_ID", "t"), ("AZURE_CLIENT_ID", "c")];
        let secret = [&application[..], &[("AZURE_CLIENT_SECRET", "s3cret")]].concat();
        let shown = of(&secret);
        assert!(shown.contains("ClientSecretCredential") && !shown.contains("s3cret"));
        let file = [
            &application[..],
            &[("AZURE_FEDERATED_TOKEN_FILE", "/dev/null")],
        ]
        .concat();
        assert!(of(&file).contains("WorkloadIdentityCredential"));
        let app = of(&[("IDENTITY_ENDPOINT", "http://127.0.0.1:1")]);
        assert!(app.contains("ManagedIdentityCredential") && !app.contains("person"));
        assert!(of(&[]).contains("MachineOrPerson"));
        let unreadable = |name: &'static str| match name {
            "AZURE_FEDERATED_TOKEN_FILE" => Some("/nowhere/token".to_owned()),
            _ => Some("x".to_owned()).filter(|_| name != "AZURE_CLIENT_SECRET"),
        };
        assert!(chosen(&client, &unreadable).is_err());
    }
}
