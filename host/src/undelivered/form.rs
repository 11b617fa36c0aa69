//! From a message of a queue to the events in it, as an ingress would have got them. There is no I/O here.

use twin_capabilities::Undelivered;

#[cfg(feature = "aws")]
use super::lambda;
use super::{SourceError, stripped};
use crate::ingress::events::{
    Event, Topic,
    forms::{self, FormError},
};

/// How the messages of a queue are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Form {
    /// Invocations of AWS Lambda, or messages of a queue that is a source of one.
    #[cfg(feature = "aws")]
    Lambda,
    /// Blobs that Event Grid writes.
    EventGrid(Topic),
    /// Messages that Pub/Sub forwards to a dead-letter topic.
    PubSub(Topic),
}

/// Why a message holds no event. It stays in its queue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error(transparent)]
    Form(#[from] FormError),
    #[error("it is not JSON of the form that it begins with")]
    Json(#[from] serde_json::Error),
    #[cfg(feature = "aws")]
    #[error("it is not UTF-8")]
    NotText(#[from] std::str::Utf8Error),
    #[cfg(feature = "aws")]
    #[error(transparent)]
    Invocation(#[from] crate::ingress::lambda::invocation::InvocationError),
    #[cfg(feature = "aws")]
    #[error("it is an HTTP request, whose caller no longer waits for a response")]
    Request,
}

impl Form {
    /// That of SQS.
    #[cfg(feature = "aws")]
    pub(super) const fn lambda() -> Result<Self, SourceError> {
        Ok(Self::Lambda)
    }

    /// That of SQS.
    #[cfg(not(feature = "aws"))]
    pub(super) const fn lambda() -> Result<Self, SourceError> {
        Err(SourceError::NotBuiltIn {
            service: super::source::SQS,
            feature: "aws",
        })
    }

    /// Reads a message. What the platform added when it gave up is not a part of the events.
    pub(crate) fn read(self, message: &Undelivered) -> Result<Vec<Event>, Unreadable> {
        match self {
            #[cfg(feature = "aws")]
            Self::Lambda => lambda::read(message),
            Self::EventGrid(topic) => stripped::event_grid(&message.body)?
                .iter()
                .map(|event| one(topic, event))
                .collect(),
            Self::PubSub(topic) => {
                let push = stripped::pubsub(&message.body)?;
                Ok(vec![one(topic, &push)?])
            }
        }
    }
}

fn one(topic: Topic, event: &str) -> Result<Event, Unreadable> {
    let events = forms::read_document(topic, event.as_bytes())?;
    let [event] = <[Event; 1]>::try_from(events).map_err(|_| FormError::Unknown)?;
    Ok(event)
}
