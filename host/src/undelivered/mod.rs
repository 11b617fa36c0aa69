//! What the platforms' own dead-letter queues hold: events that a function never answered. `twin dead-letters replay --from-queue`
//! hands them to the twin again.
//!
//! [`Source`] says which queue it is, [`Form`] how its messages are read, and [`Round`] goes through it once. What becomes of an event
//! is decided where it is decided for every event ([`Events`](crate::ingress::events::Events)).

mod form;
mod handover;
#[cfg(feature = "aws")]
mod lambda;
mod open;
mod round;
mod source;
mod stripped;
#[cfg(test)]
mod tests;

pub use self::{
    form::Form,
    handover::Handover,
    round::{Failed, Listed, Report, Round},
    source::{Source, SourceError},
};
