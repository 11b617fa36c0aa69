//! The native host: runs the function components and binds what they import to a cloud.
//!
//! `runtime` runs the components, `imports` answers what they ask for, `providers` do it on each cloud, `ingress` brings
//! requests in. The way of a reading through these modules is told in ARCHITECTURE.md.

pub mod bindings;
pub mod function;
