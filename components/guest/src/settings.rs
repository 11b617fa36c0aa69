//! The function's settings, read once in an instance's life: they do not change while it lives.

use std::{cell::RefCell, rc::Rc};

use twin_contract::Cloud;
use twin_delivery::DeliverySettings;

use crate::bindings::settings;

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

thread_local! {
    static SETTINGS: RefCell<Option<Rc<Settings>>> = const { RefCell::new(None) };
}

impl Settings {
    /// The settings; asks the host on the first call only.
    pub async fn load() -> Rc<Self> {
        if let Some(known) = SETTINGS.with_borrow(Clone::clone) {
            return known;
        }
        let read = Rc::new(Self::read().await);
        SETTINGS.with_borrow_mut(|slot| slot.get_or_insert(read).clone())
    }

    async fn read() -> Self {
        let get = |name: &str| settings::get(name.to_owned());
        let mut delivery = DeliverySettings::default();
        for name in DeliverySettings::NAMES {
            if let Some(value) = get(name).await
                && !delivery.set(name, &value)
            {
                crate::log::warn("setting ignored: not in its range", &[("setting", name)]);
            }
        }
        let cloud = get("TWIN_CLOUD").await.and_then(|name| name.parse().ok());
        Self {
            twin: get("TWIN_NAME").await.unwrap_or_else(|| "twin".to_owned()),
            // The native host refuses to start without one.
            cloud: cloud.unwrap_or(Cloud::Aws),
            delivery,
        }
    }
}
