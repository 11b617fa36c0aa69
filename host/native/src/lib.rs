//! The twin's functions as native code: the same functions that the components are built from, in this process and without
//! a sandbox.
//!
//! [`Native`] answers calls as the components' runtime does: through [`Functions`](twin_capabilities::Functions), many at
//! once, each within a time limit. An ingress, a peer or a test can use either without knowing which. The functions reach
//! what [`Capabilities`] holds: stores, peers, settings and a verifier chosen by the caller, and [`Time`], which a test can
//! control.
//!
//! There is no sandbox. A function that does not end blocks its thread. A panic is caught and ends only its call; the
//! instance is not replaced.
//!
//! # Example
//!
//! ```
//! use twin_capabilities::function::{CallError, FunctionName, Functions, Request, Response};
//! use twin_native::{Capabilities, Native, NativeSettings};
//!
//! async fn write(reach: Capabilities, request: Request) -> Result<Response, CallError> {
//!     let settings = NativeSettings::default();
//!     let native = Native::new(&[FunctionName::Writer], &settings, |_| reach.clone());
//!     native.call(FunctionName::Writer, request).await
//! }
//! ```
//!
//! `host/examples/embed.rs` is a complete program.

mod capabilities;
mod function;
mod functions;
mod time;

pub use capabilities::Capabilities;
pub use functions::{Native, NativeSettings};
pub use time::Time;
