//! `settings`: the variables that are no secrets, and no others.

use twin_delivery::DeliverySettings;

use crate::{
    Variables,
    bindings::settings::{Failure, Guest},
};

/// What a component may know beside the numbers of delivery.
const NAMES: [&str; 3] = ["TWIN_NAME", "TWIN_CLOUD", "DEBUG_MODE"];

impl<T: Variables> Guest for T {
    async fn get(name: String) -> Result<Option<String>, Failure> {
        let known =
            NAMES.contains(&name.as_str()) || DeliverySettings::NAMES.contains(&name.as_str());
        if !known {
            return Ok(None);
        }
        Ok(T::variable(&name).await?)
    }
}
