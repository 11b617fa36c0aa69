//! The functions by name, and what it takes to call one: the seam between ingress, peers and runtime.

pub use twin_capabilities::function::{
    CallError, FunctionName, Functions, Request, Response, UnknownFunction, Verdict,
};
