//! `spin:variables`: the component's variables from the manifest, and a provider that may fail for some.

use std::sync::Arc;

use wasmtime::{Result, component::Accessor};

use crate::{
    bindings::spin::variables::variables::{Error, Host, HostWithStore},
    platform::{Imports, State},
};

impl Host for State {}

impl<T: Send> HostWithStore<T> for Imports {
    async fn get(
        accessor: &Accessor<T, Self>,
        name: String,
    ) -> Result<std::result::Result<String, Error>> {
        let (app, instance) = accessor.with(|mut access| {
            let state = access.get();
            (Arc::clone(&state.app), state.number)
        });
        app.vault.note(&app.id, instance, &name);
        Ok(match app.variables.get(&name) {
            // Spin looks up only variables that the component has.
            None => Err(Error::Undefined(name)),
            // The text of Spin's own provider for Vault.
            Some(_) if app.vault.fails(&name) => Err(Error::Provider(
                "Failed to check Vault for config".to_owned(),
            )),
            Some(value) => Ok(value.clone()),
        })
    }
}
