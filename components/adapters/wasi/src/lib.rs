//! The capabilities over standard WASI 0.3 only, for `wasmtime serve` and every other runtime that supports it.
//!
//! Variables are read from the environment. Data is in the folder that is preopened as `/data`: one file per record,
//! letter, event and version of a circuit. A file is written under a temporary name, synced, and then given its own name,
//! which fails if that name exists. There is no other locking, so nothing needs to be cleaned up after a crash, and any
//! number of processes on one disk can use the folder.

mod circuits;
mod documents;
mod environment;
mod folder;
mod letters;
mod names;
mod outbox;
mod records;
mod replay;
mod versions;

use twin_adapter::{Neighbours, Unreadable, Variables};

struct Adapter;

impl Variables for Adapter {
    async fn variable(name: &str) -> Result<Option<String>, Unreadable> {
        Ok(environment::variable(name))
    }

    fn debug_mode() -> bool {
        let mode = environment::variable("DEBUG_MODE");
        matches!(mode.as_deref(), Some("true" | "1"))
    }
}

impl Neighbours for Adapter {}

twin_adapter::export_adapter!(Adapter);
