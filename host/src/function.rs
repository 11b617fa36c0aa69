//! Functions by name, and how to call one: the interface between ingress, peers and runtime.

pub use twin_capabilities::function::{
    CallError, FunctionName, Functions, Request, Response, UnknownFunction, Verdict,
};
