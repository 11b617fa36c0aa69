//! What a cloud's platform delivers by itself: a reading of a device that speaks no HTTP, a system error on the cloud's own topic,
//! a dead letter that an operator sends back.
//!
//! A platform delivers an event again until it is acknowledged. An ingress reads the platform's form into an [`Event`], hands it to
//! the function, and tells the platform what the [`Settlement`] says, in the platform's words.

pub(crate) mod batch;
mod delivery;
pub mod forms;
mod refused;
mod settle;
#[cfg(test)]
mod tests;
pub(crate) mod webhook;

use std::time::Duration;

use async_trait::async_trait;
use twin_contract::FunctionName;

pub use self::settle::Events;

/// An event, from any platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What it is about, and so which function gets it.
    pub subject: Subject,
    /// The platform's id, which is the same each time that the event is delivered. It becomes the identity of a message that has
    /// no time of its own.
    pub id: Option<String>,
    /// What the function gets: the bytes that the device or the publisher sent.
    pub body: Vec<u8>,
    /// The event as the platform delivered it, which is kept if the function refuses it.
    pub raw: Vec<u8>,
}

/// What an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A message of a device, for the connector.
    Telemetry {
        /// The device that the platform authenticated; `None` if it does not say. A message that names another is refused.
        device: Option<String>,
    },
    /// A message on a platform that authenticates devices, from none of them: it is refused, because it could name any device.
    UnknownDevice,
    /// A system error, for the error reporter.
    SystemError,
    /// A copy of a dead letter, or an envelope, for the connector to send again.
    Letter,
}

/// What the events of one delivery are about, as its path says: the forms of the platforms do not say it with certainty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// [`Subject::Telemetry`].
    Telemetry,
    /// [`Subject::SystemError`].
    SystemErrors,
    /// [`Subject::Letter`].
    Letters,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Telemetry, Self::SystemErrors, Self::Letters];

    /// What an event with this subject is about.
    #[must_use]
    pub const fn of(subject: &Subject) -> Self {
        match subject {
            Subject::Telemetry { .. } | Subject::UnknownDevice => Self::Telemetry,
            Subject::SystemError => Self::SystemErrors,
            Subject::Letter => Self::Letters,
        }
    }

    /// The last part of the path for the events, and the name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Telemetry => "telemetry",
            Self::SystemErrors => "errors",
            Self::Letters => "letters",
        }
    }

    /// The topic of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }

    /// The function that gets the events.
    #[must_use]
    pub const fn function(self) -> FunctionName {
        match self {
            Self::Telemetry | Self::Letters => FunctionName::Connector,
            Self::SystemErrors => FunctionName::ErrorReporter,
        }
    }

    /// The subject of an event; `device` is the one that the platform authenticated, if it says.
    fn subject(self, device: Option<String>) -> Subject {
        match self {
            Self::Telemetry => Subject::Telemetry { device },
            Self::SystemErrors => Subject::SystemError,
            Self::Letters => Subject::Letter,
        }
    }
}

/// Hands events to the functions.
#[async_trait]
pub trait Settle: Send + Sync + 'static {
    /// Hands an event to its function. What the function refuses is kept as a letter. `limit` is how long the platform waits
    /// for the settlement, if that is shorter than the function's deadline.
    async fn settle(&self, event: Event, limit: Option<Duration>) -> Settlement;
}

/// What the platform is to do with an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It is stored here or with the next hop: it is not delivered again.
    Acknowledged,
    /// It is kept as a dead letter, because it was refused for good or its function could not deliver it: it is not delivered again,
    /// either.
    Kept,
    /// It was not taken over: the platform is to deliver it again. The text is for a log.
    Again(String),
}
