//! What a twin's settings lead to: the database, the topic, the storage account, and who the host is for each of them.

use std::{cell::OnceCell, sync::Arc};

use azure_core::credentials::TokenCredential;
use reqwest::Client;
use twin_documents::ServiceClock;

use crate::{
    copies::{Copies, Place},
    documents::{
        calls::{Authority, Cosmos, Names, Sessions},
        sign::MasterKey,
    },
    error::AzureError,
    error_topic::{self, EventGrid},
    http,
    identity::{self, Tokens, scope},
    settings::AzureSettings,
};

/// The services of a twin. Nothing has been sent to them.
#[derive(Debug)]
pub(crate) struct Services {
    pub(crate) cosmos: Cosmos,
    pub(crate) event_grid: Option<EventGrid>,
    pub(crate) copies: Option<Copies>,
}

impl Services {
    pub(crate) fn new(settings: &AzureSettings, twin: &str) -> Result<Self, AzureError> {
        let client = settings.client.clone().map_or_else(http::client, Ok)?;
        let host = Host {
            settings,
            client: &client,
            credential: OnceCell::new(),
        };
        Ok(Self {
            cosmos: Cosmos {
                client: client.clone(),
                endpoint: http::endpoint("endpoint", &settings.endpoint)?,
                names: names(settings, twin)?,
                authority: host.for_cosmos()?,
                clock: ServiceClock::default(),
                sessions: Sessions::default(),
            },
            event_grid: host.event_grid()?,
            copies: host.copies(twin)?,
        })
    }
}

/// Who is given, or who the environment says.
pub(crate) fn credential(
    given: Option<Arc<dyn TokenCredential>>,
    client: &Client,
) -> Result<Arc<dyn TokenCredential>, AzureError> {
    given.map_or_else(|| identity::default_credential(client), Ok)
}

/// The host and its one identity, which is only looked for where there is no key.
struct Host<'a> {
    settings: &'a AzureSettings,
    client: &'a Client,
    credential: OnceCell<Arc<dyn TokenCredential>>,
}

impl Host<'_> {
    fn tokens(&self, scope: &'static str) -> Result<Tokens, AzureError> {
        let credential = match self.credential.get() {
            Some(credential) => Arc::clone(credential),
            None => {
                let found = credential(self.settings.credential.clone(), self.client)?;
                Arc::clone(self.credential.get_or_init(|| found))
            }
        };
        Ok(Tokens::new(credential, scope))
    }

    fn for_cosmos(&self) -> Result<Authority, AzureError> {
        let Some(key) = &self.settings.key else {
            return self.tokens(scope::COSMOS).map(Authority::Entra);
        };
        let key = MasterKey::parse(key.expose()).ok_or(AzureError::SettingInvalid {
            name: "key",
            expected: "a key of the account, in Base64",
        })?;
        Ok(Authority::Key(key))
    }

    fn event_grid(&self) -> Result<Option<EventGrid>, AzureError> {
        let Some(endpoint) = &self.settings.topic_endpoint else {
            return Ok(None);
        };
        let endpoint = http::endpoint("topic_endpoint", endpoint)?;
        let authority = match &self.settings.topic_key {
            Some(key) => error_topic::Authority::Key(key.clone()),
            None => error_topic::Authority::Entra(self.tokens(scope::EVENT_GRID)?),
        };
        Ok(Some(EventGrid::new(
            self.client.clone(),
            endpoint,
            authority,
        )))
    }

    fn copies(&self, twin: &str) -> Result<Option<Copies>, AzureError> {
        let Some(endpoint) = &self.settings.storage_endpoint else {
            return Ok(None);
        };
        let endpoint = http::endpoint("storage_endpoint", endpoint.expose())?;
        let is_signed = endpoint.query().is_some();
        let tokens = (!is_signed).then(|| self.tokens(scope::STORAGE));
        let name = self.settings.storage_container.as_str();
        Ok(Some(Copies {
            client: self.client.clone(),
            container: Place(http::below(&endpoint, [name])),
            tokens: tokens.transpose()?,
            twin: twin.to_owned(),
        }))
    }
}

fn names(settings: &AzureSettings, twin: &str) -> Result<Names, AzureError> {
    let database = settings.database.as_deref().unwrap_or(twin);
    let containers = &settings.containers;
    let names = Names {
        database: database.to_owned(),
        messages: containers.messages.clone(),
        system_errors: containers.system_errors.clone(),
        dead_letters: containers.dead_letters.clone(),
        state: containers.state.clone(),
    };
    let is_usable = |name: &String| {
        (1..=255).contains(&name.len())
            && !name.ends_with(' ')
            && !name.contains(['/', '\\', '?', '#'])
            && !name.contains(char::is_control)
    };
    let all = [
        ("database", &names.database),
        ("containers.messages", &names.messages),
        ("containers.system_errors", &names.system_errors),
        ("containers.dead_letters", &names.dead_letters),
        ("containers.state", &names.state),
    ];
    let unusable = all.into_iter().find(|(_, name)| !is_usable(name));
    match unusable.map(|(setting, _)| setting) {
        None => Ok(names),
        Some(name) => Err(AzureError::SettingInvalid {
            name,
            expected: "1 to 255 characters without / \\ ? # and without a space at its end",
        }),
    }
}
