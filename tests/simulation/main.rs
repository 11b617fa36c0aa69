//! The rules of delivery and storage, each driven through the real components with virtual time: see `tests/README.md`.

mod connector_retries;
