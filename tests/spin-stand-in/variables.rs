//! `spin:variables`: the component's own, as the manifest gives them.

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
        let value = accessor.with(|mut access| access.get().app.variables.get(&name).cloned());
        Ok(value.ok_or(Error::Undefined(name)))
    }
}
