//! The function's settings, read once in an instance's life: they do not change while it lives.

use std::{cell::RefCell, rc::Rc};

use twin_contract::Cloud;
use twin_delivery::DeliverySettings;

use crate::{Response, bindings::settings, log, reply};

/// What the functions want to know about where they run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The twin's name.
    pub twin: String,
    /// The cloud that the function runs on.
    pub cloud: Cloud,
    /// The numbers of delivery.
    pub delivery: DeliverySettings,
}

/// Why the settings cannot be used. No default takes the place of a setting that is there and cannot be read: the twin
/// and the cloud are part of what is stored and sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The runtime could not look it up.
    #[error("{name} cannot be read: {cause}")]
    Unreadable {
        /// The setting.
        name: &'static str,
        /// The runtime's words, for a log.
        cause: String,
    },
    /// It is required and not set.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// Its value is not one that it may have.
    #[error("{name} must be {expected}")]
    Invalid {
        /// The setting.
        name: &'static str,
        /// What its value should have been.
        expected: &'static str,
    },
}

thread_local! {
    static SETTINGS: RefCell<Option<Rc<Settings>>> = const { RefCell::new(None) };
}

impl Settings {
    /// The settings; asks the host until it has answered for all of them once.
    ///
    /// # Errors
    /// The first setting that cannot be used. It is not remembered: the next call asks again.
    pub async fn load() -> Result<Rc<Self>, SettingsError> {
        if let Some(known) = SETTINGS.with_borrow(Clone::clone) {
            return Ok(known);
        }
        let read = Rc::new(Self::read().await?);
        Ok(SETTINGS.with_borrow_mut(|slot| slot.get_or_insert(read).clone()))
    }

    async fn read() -> Result<Self, SettingsError> {
        let mut delivery = DeliverySettings::default();
        for name in DeliverySettings::NAMES {
            if let Some(value) = get(name).await?
                && !delivery.set(name, &value)
            {
                log::warn("setting ignored: not in its range", &[("setting", name)]);
            }
        }
        let cloud = required("TWIN_CLOUD").await?;
        Ok(Self {
            twin: required("TWIN_NAME").await?,
            cloud: cloud.parse().map_err(|_| SettingsError::Invalid {
                name: "TWIN_CLOUD",
                expected: "aws, azure or gcp",
            })?,
            delivery,
        })
    }
}

/// The settings, for a request that needs them.
///
/// # Errors
/// The response to send: 503. Why is logged.
pub async fn for_request() -> Result<Rc<Settings>, Response> {
    Settings::load().await.map_err(|error| {
        log::error("settings not usable", &[("cause", &error.to_string())]);
        reply::try_again(
            "SETTINGS_UNAVAILABLE",
            "the settings of this function cannot be read now",
        )
    })
}

async fn get(name: &'static str) -> Result<Option<String>, SettingsError> {
    let value = settings::get(name.to_owned()).await;
    value.map_err(|failure| SettingsError::Unreadable {
        name,
        cause: reply::describe(&failure),
    })
}

async fn required(name: &'static str) -> Result<String, SettingsError> {
    get(name).await?.ok_or(SettingsError::Missing(name))
}
