//! The interface `dead-letters`, answered by the provider.

use wasmtime::component::Accessor;

use super::Imports;
use crate::{
    State,
    bindings::dead_letters::{Failure, Host, HostWithStore, Letter},
};

impl Host for State {}

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn push(accessor: &Accessor<T, Self>, letter: Letter) -> Result<(), Failure> {
        let reach = Self::of(accessor);
        let push = reach.stores.dead_letters.push(letter.into());
        Ok(reach.traced(push).await?)
    }
}
