//! `records`: to the provider.

use wasmtime::component::Accessor;

use super::Imports;
use crate::{
    bindings::records::{Entry, Failure, Host, HostWithStore, Outcome, Page, Selection},
    runtime::State,
};

impl Host for State {}

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn put(
        accessor: &Accessor<T, Self>,
        collection: String,
        entries: Vec<Entry>,
    ) -> Result<Vec<Outcome>, Failure> {
        let records = &Self::of(accessor).stores.records;
        records.put(collection, entries).await
    }

    async fn query(
        accessor: &Accessor<T, Self>,
        collection: String,
        selection: Selection,
    ) -> Result<Page, Failure> {
        let records = &Self::of(accessor).stores.records;
        records.query(collection, selection).await
    }
}
