//! The function's settings, read once in an instance's life: they do not change while it lives.

use std::{cell::RefCell, rc::Rc};

use twin_contract::Cloud;
use twin_delivery::{DELIVERY, DeliverySettings, Setting, TWIN_CLOUD, TWIN_NAME};

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
        for setting in &DELIVERY {
            if let Some(value) = get(setting.name).await?
                && !setting.set(&mut delivery, &value)
            {
                let fields = [("setting", setting.name), ("expected", setting.values)];
                log::warn("setting ignored: its value is not in its range", &fields);
            }
        }
        let cloud = required(&TWIN_CLOUD).await?;
        Ok(Self {
            twin: required(&TWIN_NAME).await?,
            cloud: cloud.parse().map_err(|_| SettingsError::Invalid {
                name: TWIN_CLOUD.name,
                expected: TWIN_CLOUD.values,
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

async fn required(setting: &Setting) -> Result<String, SettingsError> {
    let value = get(setting.name).await?;
    let value = value.ok_or(SettingsError::Missing(setting.name))?;
    if setting.allows(&value) {
        return Ok(value);
    }
    Err(SettingsError::Invalid {
        name: setting.name,
        expected: setting.values,
    })
}
