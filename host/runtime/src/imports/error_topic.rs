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
        let topic = &Self::of(accessor).stores.error_topic;
        Ok(topic.publish(error.into()).await?)
    }
}
