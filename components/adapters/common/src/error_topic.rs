//! `error-topic`: stores errors in a durable outbox, and sends them from there to the error reporter.
//!
//! No task runs between requests here, so every publication also sends waiting events from the outbox, within its 500 ms.
//! Events that the reporter cannot accept now wait for the next publication.

use twin_contract::{
    Peer, Severity as Written, SystemError as Document,
    reply::{Custody, is_refused_for_good},
};

use crate::{
    Failure, Neighbours, Variables,
    bindings::{
        error_topic::{Guest, Severity, SystemError},
        peers::Request,
    },
    clock, log, peers,
};

/// The time limit for publishing, in milliseconds, and the part of it that is reserved for returning.
const LIMIT_MS: u64 = 500;
const MARGIN_MS: u64 = 20;
/// The most waiting events that one publication sends.
const BATCH: u32 = 16;

/// A waiting event.
#[derive(Clone, Debug)]
pub struct Event {
    /// A UUID version 7, under which the error reporter stores the event.
    pub id: String,
    /// The system error, as JSON.
    pub document: Vec<u8>,
}

/// Durable storage for waiting events.
#[allow(async_fn_in_trait, reason = "components have one thread")]
pub trait Outbox {
    /// Stores an event.
    ///
    /// # Errors
    /// The store's failure.
    async fn keep(event: &Event) -> Result<(), Failure>;

    /// The oldest events, oldest first.
    ///
    /// # Errors
    /// The store's failure.
    async fn waiting(limit: u32) -> Result<Vec<Event>, Failure>;

    /// Removes an event.
    ///
    /// # Errors
    /// The store's failure.
    async fn forget(id: &str) -> Result<(), Failure>;
}

impl<T: Variables + Neighbours + Outbox> Guest for T {
    async fn publish(error: SystemError) -> Result<(), Failure> {
        let end = clock::mono_ms() + LIMIT_MS - MARGIN_MS;
        let left = || end.saturating_sub(clock::mono_ms());
        let event = Event {
            id: clock::unique(),
            document: document(error).to_json(),
        };
        clock::within(left(), T::keep(&event))
            .await
            .unwrap_or_else(|| Err(Failure::Unavailable("the store is busy".to_owned())))?;
        // The event is durable now: from here on nothing can fail, but sending may take longer.
        let cause = match clock::within(left(), forward::<T>()).await {
            Some(Ok(())) => return Ok(()),
            Some(Err(cause)) => cause,
            None => "no answer in time".to_owned(),
        };
        log::warn::<T>(
            "system errors wait for their reporter",
            &[("cause", &cause)],
        );
        Ok(())
    }
}

/// Delivers waiting events until one cannot be delivered; the error is text for a log.
async fn forward<T: Variables + Neighbours + Outbox>() -> Result<(), String> {
    let url = T::variable(Peer::ErrorReporter.variables().url).await;
    if url.map_err(|error| error.to_string())?.is_none() {
        return Ok(());
    }
    let store_failed = |failure: Failure| format!("{failure:?}");
    for event in T::waiting(BATCH).await.map_err(store_failed)? {
        deliver::<T>(&event).await?;
        // If this fails, the reporter gets the event twice, and recognises it by its id.
        T::forget(&event.id).await.map_err(store_failed)?;
    }
    Ok(())
}

/// Sends an event to the reporter. An event that will never be accepted is not an error here: it must not block the others.
async fn deliver<T: Variables + Neighbours>(event: &Event) -> Result<(), String> {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let request = Request {
        method: "POST".to_owned(),
        query: String::new(),
        headers: vec![
            header("content-type", "application/json"),
            header("idempotency-key", &event.id),
        ],
        body: event.document.clone(),
    };
    let reply = peers::attempt::<T>(Peer::ErrorReporter, request).await;
    let reply = reply.map_err(|failure| format!("{failure:?}"))?;
    if Custody::of_reply(reply.status, &reply.body).is_some()
        || is_refused_for_good(reply.status, &reply.body)
    {
        return Ok(());
    }
    Err(format!("HTTP {}", reply.status))
}

fn document(error: SystemError) -> Document {
    Document {
        twin_id: error.twin_id,
        cloud_provider: error.cloud_provider,
        severity: match error.severity {
            Severity::Critical => Written::Critical,
            Severity::Warning => Written::Warning,
            Severity::Info => Written::Info,
        },
        component: error.component,
        error_code: error.error_code,
        message: error.message,
        timestamp: error.timestamp,
        raw_data: error.raw_data,
    }
}
