//! What the functions can reach: the interfaces of `wit/` as plain Rust types and async traits.
//!
//! The functions (`twin-functions`) use these traits, the providers implement them, and the runtime maps them to the
//! component model. None of the three depends on another, and only the runtime depends on wasmtime.
//!
//! Each module corresponds to the WIT interface of the same name, whose documentation is binding here. What only a host
//! needs is in [`health`], [`Outbox`], [`peer_auth`] and [`secrets`], and what only an operator's command needs in [`undelivered`].
//!
//! # Futures are `Send` on a host, and not in a sandbox
//!
//! A host runs functions and providers on several threads, so its futures must be `Send`. A component has one thread, and
//! the futures of its imports are bound to it. The traits are the same for both: `async-trait` adds the bound everywhere
//! except on `wasm` targets. This costs one allocation per call of a capability, which is little compared with the call
//! itself. In return, a trait can be used as an object, which a host needs to choose its store at run time.
//!
//! # Features
//!
//! `provider` adds what providers share (the module `provider`). `testing` adds the behaviour suite for any provider (the
//! module `testing`).
//!
//! # Dropped futures
//!
//! Once polled, every method of a store runs to completion: dropping its future neither undoes the operation nor leaves it
//! half done.
//!
//! # Example
//!
//! Any type that implements a trait can be used by a function; here, a map with settings.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use async_trait::async_trait;
//! use twin_capabilities::{Failure, Settings};
//!
//! struct Fixed(BTreeMap<String, String>);
//!
//! #[async_trait]
//! impl Settings for Fixed {
//!     async fn get(&self, name: &str) -> Result<Option<String>, Failure> {
//!         Ok(self.0.get(name).cloned())
//!     }
//! }
//! ```

pub mod circuits;
pub mod clock;
pub mod credentials;
pub mod dead_letters;
pub mod digest;
pub mod error_topic;
pub mod function;
pub mod health;
pub mod lifecycle;
pub mod log;
#[cfg(not(target_family = "wasm"))]
pub mod peer_auth;
pub mod peers;
#[cfg(feature = "provider")]
pub mod provider;
pub mod records;
#[cfg(not(target_family = "wasm"))]
pub mod secrets;
pub mod settings;
mod stores;
#[cfg(feature = "testing")]
pub mod testing;
pub mod types;
#[cfg(not(target_family = "wasm"))]
pub mod undelivered;

pub use circuits::Circuits;
pub use clock::{Clock, Random};
pub use credentials::Verifier;
pub use dead_letters::DeadLetters;
pub use digest::Digest;
pub use error_topic::{ErrorTopic, Outbox};
pub use function::Functions;
pub use health::{Health, Statistics};
pub use lifecycle::Lifecycle;
pub use log::Log;
#[cfg(not(target_family = "wasm"))]
pub use peer_auth::{IdentityTokens, PeerAuth};
pub use peers::Peers;
pub use records::Records;
#[cfg(not(target_family = "wasm"))]
pub use secrets::{Secret, Secrets};
pub use settings::Settings;
pub use stores::Stores;
pub use types::{Failure, Instant};
#[cfg(not(target_family = "wasm"))]
pub use undelivered::{Undelivered, UndeliveredQueue};
