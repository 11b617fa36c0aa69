//! The rules of delivery and storage, tested on the real components with virtual time: see `tests/README.md`. With
//! `TWIN_STAGE=native`, the same functions run as native code instead.

#![cfg(test)]

mod bad_input;
mod connector_circuit;
mod connector_circuit_store;
mod connector_dead_letters;
mod connector_deadline;
mod connector_device_messages;
mod connector_discard;
mod connector_event_rate;
mod connector_events;
mod connector_identity;
mod connector_letter_list;
mod connector_outcomes;
mod connector_probe;
mod connector_replay;
mod connector_replay_pace;
mod connector_replay_together;
mod connector_retries;
mod connector_retry_after;
mod connector_routing;
mod connector_sending;
mod connector_shared_circuit;
mod credentials;
mod envelope;
mod error_forwarding;
mod error_listing;
mod error_notifying;
mod error_reporter;
mod host_panics;
mod ingestion;
mod ingestion_failing;
mod inspect;
mod lanes;
mod misbehaviour;
mod native;
mod precompiled;
mod random_input;
mod reader;
mod reader_pages;
mod readiness;
mod remote_reader;
mod runtime;
mod settings;
mod store_failures;
mod store_hanging;
mod writer;
mod writer_failing;
