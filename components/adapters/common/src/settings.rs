//! `settings`: the variables in the table of settings, and no others.

use twin_delivery::is_setting;

use crate::{
    Variables,
    bindings::settings::{Failure, Guest},
};

impl<T: Variables> Guest for T {
    async fn get(name: String) -> Result<Option<String>, Failure> {
        if !is_setting(&name) {
            return Ok(None);
        }
        Ok(T::variable(&name).await?)
    }
}
