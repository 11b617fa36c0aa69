//! The capabilities over Spin's own interfaces: `spin:variables` and `spin:sqlite`, and `wasi:http/client` for peers.
//!
//! Variables have the same names as in the native host, in lower case. Data is in the database `default`, in the tables of
//! the native host, as far as the adapter uses them. Each statement is independent: it makes its own decision, and reports
//! the outcome with RETURNING.

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
