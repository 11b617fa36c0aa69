//! The rules of delivery and storage, each driven through the real components with virtual time: see `tests/README.md`.

#![cfg(test)]

mod bad_input;
mod connector_retries;
mod credentials;
mod envelope;
mod error_listing;
mod error_notifying;
mod error_reporter;
mod ingestion;
mod ingestion_failing;
mod inspect;
mod misbehaviour;
mod random_input;
mod reader;
mod reader_pages;
mod remote_reader;
mod runtime;
mod writer;
mod writer_failing;
