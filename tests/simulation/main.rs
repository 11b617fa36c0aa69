//! The rules of delivery and storage, each driven through the real components with virtual time: see `tests/README.md`.

#![cfg(test)]

mod bad_input;
mod connector_retries;
mod credentials;
mod envelope;
