//! The five functions of a twin as plain Rust: connector, ingestion, writer, reader and error reporter.
//!
//! Each function is one `handle`, generic over its capabilities: one object that implements the traits of
//! `twin-capabilities` that its world grants ([`worlds`], which mirrors `wit/worlds.wit`). In a component that object is a
//! unit struct whose methods call the imports of the WIT (`twin-guest`); natively it holds stores and peers
//! (`twin-native`). The bounds are resolved at compile time, so a component links no import that its function does not use.
//!
//! A [`Context`] is one instance of a function: its capabilities, and the state that it keeps between calls. A [`Call`] is
//! one request in it. Each request is handled by sequential code; many calls run in one context at once.
//!
//! # Futures are `Send` on a host, and not in a component
//!
//! This depends on the capabilities: natively their futures are `Send`, and so are those of `handle`; on `wasm` targets
//! neither are. The code is the same for both. The state of a context is behind locks, which no call holds while it waits.
//!
//! # Example
//!
//! A function works with anything that implements the traits of its world:
//!
//! ```
//! use twin_functions::{Context, Request, Response, worlds, writer};
//!
//! async fn write(capabilities: impl worlds::Writer, request: Request) -> Response {
//!     let context = Context::new(capabilities);
//!     writer::handle(&context, request).await
//! }
//! ```

mod attempts;
mod call;
mod clock;
pub mod connector;
mod context;
pub mod error_reporter;
mod events;
mod gate;
pub mod ingestion;
mod listing;
mod peer;
pub mod reader;
mod refused;
pub mod reply;
pub mod settings;
mod windows;
pub mod worlds;
pub mod writer;

pub use call::Call;
pub use clock::random_10;
pub use context::Context;
pub use twin_capabilities::function::{Request, Response, Verdict};
