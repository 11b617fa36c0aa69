//! The capabilities of a component: each method only calls the import of the same name.

use std::{future::poll_fn, task::Poll, time::Duration};

use async_trait::async_trait;
use futures_util::{FutureExt, future::maybe_done};
use twin_capabilities::{
    Circuits, Clock, DeadLetters, Digest, ErrorTopic, Failure, Lifecycle, Log, Peers, Random,
    Records, Settings, Verifier,
    circuits::{Circuit, SwapFailure},
    credentials::{Caller, Denied, Presented},
    dead_letters::{
        Lease, Letter, Page as LetterPage, Place, PreviewPage, Selection as LetterSelection,
        StoredLetter, Taken,
    },
    error_topic::SystemError,
    log::Level,
    peers::{Outgoing, Reply, SendFailure},
    records::{Entry, Outcome, Page, Selection},
};
use twin_contract::Timestamp;
use wasip3::{
    clocks::{monotonic_clock, system_clock},
    random::random,
};

use crate::{
    bindings::{
        circuits, credentials, dead_letter_replay, dead_letters, digest, error_topic, lifecycle,
        log, peers, records, settings,
    },
    convert::all,
};

/// Everything that the WIT offers to functions. What a function does not use is not linked; its trait bounds determine
/// this.
#[derive(Debug)]
pub struct Wit;

#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
impl Clock for Wit {
    fn now(&self) -> Timestamp {
        let instant = system_clock::now();
        let micros = i64::from(instant.nanoseconds / 1000);
        Timestamp::from_micros(
            instant
                .seconds
                .saturating_mul(1_000_000)
                .saturating_add(micros),
        )
    }

    fn monotonic(&self) -> Duration {
        Duration::from_nanos(monotonic_clock::now())
    }

    async fn sleep(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        monotonic_clock::wait_for(nanos).await;
    }
}

impl Random for Wit {
    fn random(&self) -> u64 {
        random::get_random_u64()
    }
}

impl Digest for Wit {
    fn sha256(bytes: &[u8]) -> String {
        digest::sha256(bytes)
    }
}

impl Log for Wit {
    fn emit(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let fields: Vec<_> = fields.iter().map(owned).collect();
        log::emit(level.into(), message, &fields);
    }
}

#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
impl Settings for Wit {
    async fn get(&self, name: &str) -> Result<Option<String>, Failure> {
        Ok(settings::get(name.to_owned()).await?)
    }
}

#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
impl Verifier for Wit {
    async fn verify(&self, presented: Presented) -> Result<Caller, Denied> {
        Ok(credentials::verify(presented.into()).await?.into())
    }
}

#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
impl Lifecycle for Wit {
    async fn draining(&self) {
        lifecycle::draining().await;
    }
}

#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
impl Peers for Wit {
    async fn send(&self, messages: Vec<Outgoing>) -> Vec<Result<Reply, SendFailure>> {
        // A function sends one message at a time. `join_all` is made for many, and would add 8 KiB to each component.
        let one = |message| Box::pin(maybe_done(send(message)));
        let mut sent: Vec<_> = messages.into_iter().map(one).collect();
        poll_fn(|context| {
            let polled = sent.iter_mut().map(|one| one.poll_unpin(context));
            if polled.filter(Poll::is_pending).count() == 0 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
        let sent = sent.iter_mut();
        sent.filter_map(|one| one.as_mut().take_output()).collect()
    }
}

async fn send(message: Outgoing) -> Result<Reply, SendFailure> {
    let peer = message.peer.as_str().to_owned();
    let timeout_ms = u32::try_from(message.timeout.as_millis()).unwrap_or(u32::MAX);
    let sent = peers::send(peer, message.request.into(), timeout_ms).await;
    Ok(sent?.into())
}

#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
impl Records for Wit {
    async fn put(&self, collection: String, entries: Vec<Entry>) -> Vec<Result<Outcome, Failure>> {
        let results = records::put(collection, all(entries)).await.into_iter();
        results.map(|result| Ok(result?.into())).collect()
    }

    async fn query(&self, collection: String, selection: Selection) -> Result<Page, Failure> {
        Ok(records::query(collection, selection.into()).await?.into())
    }
}

#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
impl ErrorTopic for Wit {
    async fn publish(&self, error: SystemError) -> Result<(), Failure> {
        Ok(error_topic::publish(error.into()).await?)
    }
}

#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
impl Circuits for Wit {
    async fn load(&self, name: String) -> Result<Circuit, Failure> {
        Ok(circuits::load(name).await?.into())
    }

    async fn compare_and_swap(
        &self,
        name: String,
        expected_version: u64,
        state: String,
    ) -> Result<Circuit, SwapFailure> {
        let swapped = circuits::compare_and_swap(name, expected_version, state);
        Ok(swapped.await?.into())
    }
}

#[cfg_attr(target_family = "wasm", async_trait(?Send))]
#[cfg_attr(not(target_family = "wasm"), async_trait)]
impl DeadLetters for Wit {
    async fn push(&self, letter: Letter) -> Result<(), Failure> {
        Ok(dead_letters::push(letter.into()).await?)
    }

    async fn list(&self, after: Option<Place>, limit: u32) -> Result<LetterPage, Failure> {
        let page = dead_letter_replay::list(after.map(Into::into), limit);
        Ok(page.await?.into())
    }

    async fn get(&self, letter_id: String) -> Result<Option<StoredLetter>, Failure> {
        Ok(dead_letter_replay::get(letter_id).await?.map(Into::into))
    }

    async fn preview(
        &self,
        selection: LetterSelection,
        after: Option<Place>,
        limit: u32,
    ) -> Result<PreviewPage, Failure> {
        let after = after.map(Into::into);
        let page = dead_letter_replay::preview(selection.into(), after, limit);
        Ok(page.await?.into())
    }

    async fn take(
        &self,
        selection: LetterSelection,
        round: Option<u64>,
        limit: u32,
        lease_ms: u32,
    ) -> Result<Taken, Failure> {
        let taken = dead_letter_replay::take(selection.into(), round, limit, lease_ms);
        Ok(taken.await?.into())
    }

    async fn take_damaged(
        &self,
        letter_id: String,
        lease_ms: u32,
    ) -> Result<Option<Lease>, Failure> {
        let taken = dead_letter_replay::take_damaged(letter_id, lease_ms);
        Ok(taken.await?.map(Into::into))
    }

    async fn settle(&self, letter_id: String, receipt: String) -> Result<bool, Failure> {
        Ok(dead_letter_replay::settle(letter_id, receipt).await?)
    }

    async fn release(
        &self,
        letter_id: String,
        receipt: String,
        turn: Option<u64>,
    ) -> Result<bool, Failure> {
        Ok(dead_letter_replay::release(letter_id, receipt, turn).await?)
    }
}
