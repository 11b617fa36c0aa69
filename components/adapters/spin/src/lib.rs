//! The capabilities over Spin's own interfaces: `spin:variables` and `spin:sqlite`, and `wasi:http/client` for peers.
//!
//! Variables are the native host's in lower case. Data lies in the database `default`, in the native host's tables. Each
//! statement stands alone: it decides what it has to decide by itself, and says by RETURNING what came of it.

mod circuits;
mod database;
mod letters;
mod neighbours;
mod outbox;
mod records;
mod replay;
mod variables;

struct Adapter;

twin_adapter::export_adapter!(Adapter);
