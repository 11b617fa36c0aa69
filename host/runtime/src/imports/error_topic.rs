//! The interface `error-topic`, answered by the provider.

use wasmtime::component::Accessor;

use super::Imports;
use crate::{
    State,
    bindings::error_topic::{Failure, Host, HostWithStore, SystemError},
};

impl Host for State {}

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn publish(accessor: &Accessor<T, Self>, error: SystemError) -> Result<(), Failure> {
        let reach = Self::of(accessor);
        let publish = reach.stores.error_topic.publish(error.into());
        Ok(reach.traced(publish).await?)
    }
}
