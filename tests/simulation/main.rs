//! The rules of delivery and storage, each driven through the real components with virtual time: see `tests/README.md`.

#![cfg(test)]

mod connector_circuit;
mod connector_dead_letters;
mod connector_deadline;
mod connector_device_messages;
mod connector_events;
mod connector_identity;
mod connector_letter_list;
mod connector_outcomes;
mod connector_probe;
mod connector_replay;
mod connector_replay_together;
mod connector_retries;
mod connector_routing;
mod connector_shared_circuit;
