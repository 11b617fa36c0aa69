//! `dead-letter-replay`: to the provider.

use wasmtime::component::Accessor;

use super::Imports;
use crate::{
    bindings::dead_letter_replay::{
        Failure, Host, HostWithStore, Lease, Page, Place, PreviewPage, Selection, StoredLetter,
        Taken,
    },
    runtime::State,
};

impl Host for State {}

impl<T: Send + 'static> HostWithStore<T> for Imports {
    async fn list(
        accessor: &Accessor<T, Self>,
        after: Option<Place>,
        limit: u32,
    ) -> Result<Page, Failure> {
        let letters = &Self::of(accessor).stores.dead_letters;
        letters.list(after, limit).await
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        letter_id: String,
    ) -> Result<Option<StoredLetter>, Failure> {
        Self::of(accessor).stores.dead_letters.get(letter_id).await
    }

    async fn preview(
        accessor: &Accessor<T, Self>,
        selection: Selection,
        after: Option<Place>,
        limit: u32,
    ) -> Result<PreviewPage, Failure> {
        let letters = &Self::of(accessor).stores.dead_letters;
        letters.preview(selection, after, limit).await
    }

    async fn take(
        accessor: &Accessor<T, Self>,
        selection: Selection,
        round: Option<u64>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Taken, Failure> {
        let letters = &Self::of(accessor).stores.dead_letters;
        letters.take(selection, round, limit, lease_ms).await
    }

    async fn take_damaged(
        accessor: &Accessor<T, Self>,
        letter_id: String,
        lease_ms: u32,
    ) -> Result<Option<Lease>, Failure> {
        let letters = &Self::of(accessor).stores.dead_letters;
        letters.take_damaged(letter_id, lease_ms).await
    }

    async fn settle(
        accessor: &Accessor<T, Self>,
        letter_id: String,
        receipt: String,
    ) -> Result<bool, Failure> {
        let letters = &Self::of(accessor).stores.dead_letters;
        letters.settle(letter_id, receipt).await
    }

    async fn release(
        accessor: &Accessor<T, Self>,
        letter_id: String,
        receipt: String,
        turn: Option<u64>,
    ) -> Result<bool, Failure> {
        let letters = &Self::of(accessor).stores.dead_letters;
        letters.release(letter_id, receipt, turn).await
    }
}
