//! The function's settings, read once per instance: they do not change during its lifetime.

use twin_capabilities::Settings as Capability;
use twin_contract::{Cloud, ErrorCode};
use twin_delivery::{DELIVERY, DeliverySettings, Setting, TWIN_CLOUD, TWIN_NAME};

use crate::{Call, refused::Refused, reply, worlds::Portable};

/// What the functions need to know about where they run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The twin's name.
    pub twin: String,
    /// The cloud that the function runs on.
    pub cloud: Cloud,
    /// The settings of delivery.
    pub delivery: DeliverySettings,
}

/// Why the settings cannot be used. A setting that exists but cannot be read is not replaced by a default: the twin and the
/// cloud are part of what is stored and sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The runtime could not look it up.
    #[error("{name} cannot be read: {cause}")]
    Unreadable {
        /// The setting.
        name: &'static str,
        /// The runtime's failure.
        #[source]
        cause: twin_capabilities::Failure,
    },
    /// It is required and not set.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// Its value is not allowed.
    #[error("{name} must be {expected}")]
    Invalid {
        /// The setting.
        name: &'static str,
        /// What its value must be.
        expected: &'static str,
    },
}

/// The settings. Reads them from the host until all of them have been read successfully once.
///
/// # Errors
/// The first setting that cannot be used. The failure is not cached: the next call reads again.
pub async fn load<'a, C: Portable>(call: &Call<'a, C>) -> Result<&'a Settings, SettingsError> {
    let slot = &call.context().settings;
    if let Some(known) = slot.get() {
        return Ok(known);
    }
    let read = read(call).await?;
    Ok(slot.get_or_init(|| read))
}

/// The settings, for a request that needs them.
///
/// # Errors
/// The response to send: 503. The cause is logged.
pub(crate) async fn for_request<'a, C: Portable>(
    call: &Call<'a, C>,
) -> Result<&'a Settings, Refused> {
    load(call).await.map_err(|error| {
        call.error("settings not usable", &[("cause", &error.to_string())]);
        Refused(reply::try_again(
            ErrorCode::SettingsUnavailable,
            "the settings of this function cannot be read now",
        ))
    })
}

async fn read<C: Portable>(call: &Call<'_, C>) -> Result<Settings, SettingsError> {
    let mut delivery = DeliverySettings::default();
    for setting in &DELIVERY {
        if let Some(value) = get(call, setting.name).await?
            && !setting.set(&mut delivery, &value)
        {
            let fields = [("setting", setting.name), ("expected", setting.values)];
            call.warn("setting ignored: its value is not in its range", &fields);
        }
    }
    let cloud = required(call, &TWIN_CLOUD).await?;
    Ok(Settings {
        twin: required(call, &TWIN_NAME).await?,
        cloud: cloud.parse().map_err(|_| SettingsError::Invalid {
            name: TWIN_CLOUD.name,
            expected: TWIN_CLOUD.values,
        })?,
        delivery,
    })
}

async fn get<C: Portable>(
    call: &Call<'_, C>,
    name: &'static str,
) -> Result<Option<String>, SettingsError> {
    let value = Capability::get(call.capabilities(), name).await;
    value.map_err(|cause| SettingsError::Unreadable { name, cause })
}

async fn required<C: Portable>(
    call: &Call<'_, C>,
    setting: &'static Setting,
) -> Result<String, SettingsError> {
    let value = get(call, setting.name).await?;
    let value = value.ok_or(SettingsError::Missing(setting.name))?;
    if setting.allows(&value) {
        return Ok(value);
    }
    Err(SettingsError::Invalid {
        name: setting.name,
        expected: setting.values,
    })
}
