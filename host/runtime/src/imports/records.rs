//! The interface `records`, answered by the provider.

use wasmtime::component::Accessor;

use super::{Imports, convert};
use crate::{
    State,
    bindings::records::{Entry, Failure, Host, HostWithStore, Outcome, Page, Selection},
};

impl Host for State {}

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn put(
        accessor: &Accessor<T, Self>,
        collection: String,
        entries: Vec<Entry>,
    ) -> Vec<Result<Outcome, Failure>> {
        let reach = Self::of(accessor);
        let put = reach
            .stores
            .records
            .put(collection, convert::entries(entries));
        let results = reach.traced(put).await;
        let results = results.into_iter();
        results.map(|result| Ok(result?.into())).collect()
    }

    async fn query(
        accessor: &Accessor<T, Self>,
        collection: String,
        selection: Selection,
    ) -> Result<Page, Failure> {
        let reach = Self::of(accessor);
        let page = reach.stores.records.query(collection, selection.into());
        Ok(reach.traced(page).await?.into())
    }
}
