//! The interface `dead-letter-replay`, answered by the provider.

use wasmtime::component::Accessor;

use super::Imports;
use crate::{
    State,
    bindings::dead_letter_replay::{
        Failure, Host, HostWithStore, Lease, Page, Place, PreviewPage, Selection, StoredLetter,
        Taken,
    },
};

impl Host for State {}

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn list(
        accessor: &Accessor<T, Self>,
        after: Option<Place>,
        limit: u32,
    ) -> Result<Page, Failure> {
        let reach = Self::of(accessor);
        let letters = &reach.stores.dead_letters;
        let page = letters.list(after.map(Into::into), limit);
        Ok(reach.traced(page).await?.into())
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        letter_id: String,
    ) -> Result<Option<StoredLetter>, Failure> {
        let reach = Self::of(accessor);
        let letters = &reach.stores.dead_letters;
        let letter = letters.get(letter_id);
        Ok(reach.traced(letter).await?.map(Into::into))
    }

    async fn preview(
        accessor: &Accessor<T, Self>,
        selection: Selection,
        after: Option<Place>,
        limit: u32,
    ) -> Result<PreviewPage, Failure> {
        let reach = Self::of(accessor);
        let letters = &reach.stores.dead_letters;
        let preview = letters.preview(selection.into(), after.map(Into::into), limit);
        Ok(reach.traced(preview).await?.into())
    }

    async fn take(
        accessor: &Accessor<T, Self>,
        selection: Selection,
        round: Option<u64>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Taken, Failure> {
        let reach = Self::of(accessor);
        let letters = &reach.stores.dead_letters;
        let taken = letters.take(selection.into(), round, limit, lease_ms);
        Ok(reach.traced(taken).await?.into())
    }

    async fn take_damaged(
        accessor: &Accessor<T, Self>,
        letter_id: String,
        lease_ms: u32,
    ) -> Result<Option<Lease>, Failure> {
        let reach = Self::of(accessor);
        let letters = &reach.stores.dead_letters;
        let taken = letters.take_damaged(letter_id, lease_ms);
        Ok(reach.traced(taken).await?.map(Into::into))
    }

    async fn settle(
        accessor: &Accessor<T, Self>,
        letter_id: String,
        receipt: String,
    ) -> Result<bool, Failure> {
        let reach = Self::of(accessor);
        let letters = &reach.stores.dead_letters;
        let settle = letters.settle(letter_id, receipt);
        Ok(reach.traced(settle).await?)
    }

    async fn release(
        accessor: &Accessor<T, Self>,
        letter_id: String,
        receipt: String,
        turn: Option<u64>,
    ) -> Result<bool, Failure> {
        let reach = Self::of(accessor);
        let letters = &reach.stores.dead_letters;
        let release = letters.release(letter_id, receipt, turn);
        Ok(reach.traced(release).await?)
    }
}
