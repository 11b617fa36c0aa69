//! The twin's functions as native code: the same functions that the components are made of, in this process and without a
//! sandbox.
//!
//! [`Native`] answers calls as the runtime does that runs the components: through
//! [`Functions`](twin_capabilities::Functions), many at once, each within a time limit. So an ingress, a peer or a test does
//! not know which of the two it calls. The functions reach what [`Capabilities`] holds: stores, peers, settings and a
//! verifier of the caller's choice, and [`Time`], which a test may stop and turn.
//!
//! What is missing is the sandbox. A function that does not end blocks its thread, and a panic is caught but loses the call
//! alone: nothing is replaced.
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
