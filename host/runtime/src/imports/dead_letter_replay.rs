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
        let letters = &Self::of(accessor).stores.dead_letters;
        Ok(letters.list(after.map(Into::into), limit).await?.into())
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        letter_id: String,
    ) -> Result<Option<StoredLetter>, Failure> {
        let letters = &Self::of(accessor).stores.dead_letters;
        Ok(letters.get(letter_id).await?.map(Into::into))
    }

    async fn preview(
        accessor: &Accessor<T, Self>,
        selection: Selection,
        after: Option<Place>,
        limit: u32,
    ) -> Result<PreviewPage, Failure> {
        let letters = &Self::of(accessor).stores.dead_letters;
        let preview = letters.preview(selection.into(), after.map(Into::into), limit);
        Ok(preview.await?.into())
    }

    async fn take(
        accessor: &Accessor<T, Self>,
        selection: Selection,
        round: Option<u64>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Taken, Failure> {
        let letters = &Self::of(accessor).stores.dead_letters;
        let taken = letters.take(selection.into(), round, limit, lease_ms);
        Ok(taken.await?.into())
    }

    async fn take_damaged(
        accessor: &Accessor<T, Self>,
        letter_id: String,
        lease_ms: u32,
    ) -> Result<Option<Lease>, Failure> {
        let letters = &Self::of(accessor).stores.dead_letters;
        let taken = letters.take_damaged(letter_id, lease_ms);
        Ok(taken.await?.map(Into::into))
    }

    async fn settle(
        accessor: &Accessor<T, Self>,
        letter_id: String,
        receipt: String,
    ) -> Result<bool, Failure> {
        let letters = &Self::of(accessor).stores.dead_letters;
        Ok(letters.settle(letter_id, receipt).await?)
    }

    async fn release(
        accessor: &Accessor<T, Self>,
        letter_id: String,
        receipt: String,
        turn: Option<u64>,
    ) -> Result<bool, Failure> {
        let letters = &Self::of(accessor).stores.dead_letters;
        Ok(letters.release(letter_id, receipt, turn).await?)
    }
}
