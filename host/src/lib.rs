//! The native host: runs the function components and binds what they import to a cloud.
//!
//! `runtime` runs the components, `imports` answers their calls, `providers` store data, `ingress` receives requests.
//! ARCHITECTURE.md describes the path of a reading through these modules.
//!
//! The `twin` command is one user of this library. docs/embedding.md describes how to use it in a program of your own, with
//! your own stores if needed.
//!
//! # Example
//!
//! Two functions in this process, as native code over stores in memory (`host/examples/embed.rs`):
//!
#![doc = concat!("```\n", include_str!("../examples/embed.rs"), "```")]

pub mod config;
pub mod credentials;
pub mod dispatch;
pub mod function;
mod headers;
pub mod host;
pub mod ingress;
mod observed;
pub mod outbox;
pub mod peers;
pub mod providers;
pub mod resources;
#[cfg(test)]
mod scripted;
pub mod secrets;
pub mod stores;
pub mod traces;
pub mod undelivered;

pub use twin_runtime as runtime;
pub use twin_runtime::imports;
pub use twin_telemetry as telemetry;

/// Compiles the examples of that page.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
struct EmbeddingPage;
